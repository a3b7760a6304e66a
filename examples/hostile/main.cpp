// Inputs that misbehave in every way: each costs its own task, and all others are delivered.

#include <bulkhead/bulkhead.hpp>

#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <iomanip>
#include <iostream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using namespace std::chrono_literals;

int overflow_the_stack(int depth) {
  volatile char frame[4096] = {};
  frame[0] = static_cast<char>(depth);
  return depth < 1'000'000'000 ? overflow_the_stack(depth + 1) + frame[0] : 0;
}

void eat_memory() {
  for (std::vector<char*> eaten;; std::this_thread::sleep_for(1ms)) {
    constexpr std::size_t size = 1 << 20;
    eaten.push_back(static_cast<char*>(std::malloc(size)));
    std::memset(eaten.back(), 1, size);
  }
}

/// Stands for a parser of files from strangers: most are fine.
std::string parse(const std::string& input) {
  if (input == "throws an exception")
    throw std::invalid_argument("this is no picture");
  if (input == "throws a number")
    throw 42;
  if (input == "writes to address 0")
    *static_cast<volatile int*>(nullptr) = 1;
  if (input == "aborts")
    std::abort();
  if (input == "kills itself")
    std::raise(SIGKILL);
  if (input == "exits")
    std::_Exit(3);
  if (input == "hangs")
    for (;;)
      pause();
  if (input == "eats memory")
    eat_memory();
  if (input == "overflows the stack")
    overflow_the_stack(0);
  return "parsed";
}

std::string text_of(const bulkhead::outcome<std::string>& outcome) {
  if (outcome)
    return outcome.value();
  const auto& failure = outcome.failure();
  auto text = std::string{to_string(failure.kind)} + ": ";
  if (failure.kind == bulkhead::failure_kind::task_exception)
    return text + failure.type + ' ' + failure.message;
  return text + to_string(failure.exit);
}

/// Returns how many have a value.
int print(const std::vector<std::string>& inputs,
          const std::vector<bulkhead::outcome<std::string>>& outcomes) {
  int delivered = 0;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    std::cout << std::left << std::setw(22) << inputs[i] << text_of(outcomes[i]) << '\n';
    delivered += outcomes[i].has_value() ? 1 : 0;
  }
  return delivered;
}

int main(int argc, char** argv) {
  bulkhead::init(argc, argv);
  const std::vector<std::string> inputs{
    "is harmless",     "throws an exception", "is harmless",
    "throws a number", "is harmless",         "writes to address 0",
    "aborts",          "is harmless",         "kills itself",
    "exits",           "is harmless",         "eats memory",
    "is harmless",     "overflows the stack", "is harmless",
    "is harmless",
  };
  const std::vector<std::string> hanging{"hangs"};
  bulkhead::pool pool({
    .workers = 2,
    .max_memory_per_worker = 200 << 20,
    .output = bulkhead::output_mode::null,
  });
  int delivered = print(inputs, pool.try_map(parse, inputs));
  // A limit of time for what may hang, and for nothing else: what eats memory meets its own limit
  // first, however slow the machine is.
  delivered += print(hanging, pool.with({.timeout = 1s}).try_map(parse, hanging));
  const auto stats = pool.stats();
  std::cout << '\n'
            << delivered << " inputs were parsed, " << stats.failed << " failed, each alone\n"
            << stats.restarts << " workers were replaced, and the pool is at work: one more is "
            << pool.apply(parse, "is harmless") << '\n';
}
