// Single processes that return, throw, crash, leave or hang, joined and killed in any order.
#include "tests/soak/rounds.hpp"

#include <bulkhead/process.hpp>

#include <unistd.h>

#include <chrono>
#include <csignal>
#include <vector>

using namespace bulkhead;
using namespace std::chrono_literals;

namespace {

enum class way : int { returns, leaves, crashes, hangs, count };

void live(int how) {
  switch (static_cast<way>(how)) {
  case way::leaves:
    ::_exit(3);
  case way::crashes:
    ::raise(SIGKILL);
    break;
  case way::hangs:
    for (;;)
      ::pause();
  default:
    break;
  }
}

std::string check_end(process& p, way how) {
  if (how == way::hangs)
    p.kill();
  if (!p.join(120s))
    return "a process has not ended after two minutes\n";
  const int expected = how == way::returns ? 0 : how == way::leaves ? 3 : -SIGKILL;
  if (p.exit_code() == expected)
    return {};
  return "a process ended with " + std::to_string(p.exit_code().value_or(-1000)) + " in place of "
         + std::to_string(expected) + "\n";
}

} // namespace

namespace bulkhead::tests::soak {

std::string process_round(std::mt19937& random, totals& sum) {
  std::string wrong;
  for (int burst = 0; burst < 5 && wrong.empty(); ++burst) {
    std::vector<std::pair<process, way>> all;
    for (std::size_t i = 0, n = 1 + random() % 20; i < n; ++i) {
      const auto how = static_cast<way>(random() % static_cast<unsigned>(way::count));
      all.emplace_back(
        process{{.output = output_mode::null, .nice = static_cast<int>(random() % 3)},
                live,
                static_cast<int>(how)},
        how);
      all.back().first.start();
    }
    sum.processes += all.size();
    for (auto& [p, how] : all)
      if (random() % 4 != 0) // the others end with their handle
        wrong += check_end(p, how);
  }
  return wrong;
}

} // namespace bulkhead::tests::soak
