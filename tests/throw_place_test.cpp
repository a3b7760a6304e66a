// ctest-timeout: 120
// ctest-label: fault
// Where an exception of a task was thrown, as the host sees it.
#include "tests/support/leak_guard.hpp"

#include <bulkhead/tasks.hpp>

#include <doctest/doctest.h>

#include <csignal>
#include <stdexcept>
#include <string>
#include <vector>

using namespace bulkhead;
using namespace bulkhead::tests;

// Not in an anonymous namespace, and with something behind each call: so each has a frame and a
// name of its own, however the test is compiled.
namespace place {

[[gnu::noinline]] int reject_row(int row) {
  if (row == 7)
    throw std::out_of_range("row 7");
  return row;
}

[[gnu::noinline]] int read_table(int row) {
  const int found = reject_row(row);
  asm volatile("");
  return found + 1;
}

[[gnu::noinline]] int try_elsewhere(int row) {
  try {
    return read_table(7);
  } catch (const std::out_of_range&) {
    asm volatile("");
  }
  if (row >= 0)
    throw std::runtime_error("nowhere");
  return row;
}

[[gnu::noinline]] int pass_on(int row) {
  try {
    return read_table(row);
  } catch (const std::exception&) {
    throw;
  }
}

} // namespace place

namespace {

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

bool has(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }

void check_trace(const failure& f) {
  const auto text = f.thrown_at.text();
  CAPTURE(text);
  CHECK(has(first_line(text), "#0 "));
  CHECK(has(first_line(text), "place::reject_row"));
  CHECK(has(text, "place::read_table"));
  CHECK(!has(text, "__cxa_throw"));
  CHECK(!has(text, "note_frame"));
}

template <class T>
failure failure_of(const future<T>& f) {
  REQUIRE(!f.outcome().has_value());
  return f.outcome().failure();
}

} // namespace

TEST_CASE("a failure says where its exception was thrown, whatever the workers are") {
  const leak_guard guard;
  for (const auto how :
       {start_method::forkserver, start_method::spawn, start_method::thread, start_method::eager}) {
    CAPTURE(static_cast<int>(how));
    pool p{{.workers = 1, .start = how}};
    const auto f = failure_of(p.submit(place::read_table, 7));
    check_trace(f);
    CHECK(has(to_string(f), "thrown at:\n  #0 "));
    CHECK(p.apply(place::read_table, 8) == 9);
  }
}

TEST_CASE("an item of a map says where it threw") {
  const leak_guard guard;
  pool p{{.workers = 2}};
  std::vector<int> rows(200);
  for (int i = 0; i < 200; ++i)
    rows[static_cast<std::size_t>(i)] = i;
  const auto all = p.try_map(place::read_table, rows, {.chunk = 50});
  REQUIRE(!all[7].has_value());
  check_trace(all[7].failure());
  CHECK(all[8].value() == 9);
}

TEST_CASE("the place is that of the throw that left the task") {
  const leak_guard guard;
  pool p{{.workers = 1}};
  const auto caught = failure_of(p.submit(place::try_elsewhere, 1));
  CHECK(has(first_line(caught.thrown_at.text()), "place::try_elsewhere"));
  const auto again = failure_of(p.submit(place::pass_on, 7));
  CHECK(has(first_line(again.thrown_at.text()), "place::pass_on"));
}

TEST_CASE("a process tells it too, and a death has a backtrace instead") {
  const leak_guard guard;
  process child{process_options{.output = output_mode::null}, place::read_table, 7};
  child.start();
  const auto f = child.failure();
  REQUIRE(f.has_value());
  check_trace(*f);
  pool p{{.workers = 1}};
  const auto died = failure_of(p.submit([] { std::raise(SIGSEGV); }));
  CHECK(died.thrown_at.empty());
  CHECK(!died.backtrace.empty());
}
