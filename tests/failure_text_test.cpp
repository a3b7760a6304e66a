#include "runtime/outcome/failure_wire.hpp"

#include <bulkhead/error.hpp>
#include <bulkhead/failure.hpp>
#include <bulkhead/pool_info.hpp>

#include <doctest/doctest.h>

#include <csignal>
#include <set>
#include <string>

using namespace bulkhead;

namespace {

template <class Enum>
std::set<std::string_view> names_up_to(Enum last) {
  std::set<std::string_view> names;
  for (int i = 0; i <= static_cast<int>(last); ++i)
    names.insert(to_string(static_cast<Enum>(i)));
  return names;
}

template <class Exception>
bool throws_as(failure_kind kind) {
  failure f;
  f.kind = kind;
  f.message = "text";
  try {
    throw_failure(f);
  } catch (const Exception& e) {
    return e.info().kind == kind && e.info().message == "text" && e.what() == to_string(f);
  }
  return false;
}

} // namespace

TEST_CASE("every cause, kind and state has a name of its own, and garbage has one too") {
  CHECK(names_up_to(exit_cause::node_lost).size() == 16);
  CHECK(names_up_to(failure_kind::config).size() == 11);
  CHECK(names_up_to(worker_state::dead).size() == 5);
  CHECK(to_string(exit_cause::memory_limit) == "memory_limit");
  CHECK(to_string(failure_kind::worker_died) == "worker_died");
  CHECK(to_string(worker_state::draining) == "draining");
  CHECK(to_string(static_cast<exit_cause>(200)) == "invalid");
  CHECK(to_string(static_cast<failure_kind>(200)) == "invalid");
  CHECK(to_string(static_cast<worker_state>(200)) == "invalid");
}

TEST_CASE("an exit status is one line for people") {
  CHECK(to_string(exit_status{}) == "has not ended");
  CHECK(to_string(exit_status{3, 0, exit_cause::exited}) == "exited with code 3");
  CHECK(to_string(exit_status{0, 0, exit_cause::exited}) == "exited with code 0");
  CHECK(to_string(exit_status{0, SIGSEGV, exit_cause::crashed})
        == "killed by SIGSEGV (Segmentation fault)");
  CHECK(to_string(exit_status{0, SIGRTMIN + 3, exit_cause::killed}) == "killed by SIGRTMIN+3");
  CHECK(to_string(exit_status{0, 1000, exit_cause::killed}) == "killed by signal 1000");
  CHECK(to_string(exit_status{0, SIGKILL, exit_cause::timed_out})
        == "killed by SIGKILL (Killed): its task exceeded a time limit");
  CHECK(to_string(exit_status{0, 0, exit_cause::recycled}) == "ended: its pool replaced it");
  CHECK(to_string(exit_status{7, 0, exit_cause::start_failed})
        == "exited with code 7: it could not start");
  CHECK(to_string(exit_status{0, 0, exit_cause::unknown}) == "ended and nobody could learn how");
}

TEST_CASE("a report has message, worker, exit status, backtrace and last output") {
  failure f;
  f.kind = failure_kind::worker_died;
  f.message = "the task's worker died";
  f.worker = 1234;
  f.exit = {0, SIGSEGV, exit_cause::crashed};
  f.may_have_executed = true;
  f.backtrace = "#0 f()\n#1 main\n";
  f.last_output = "reading a.png\nreading b.png";
  CHECK(to_string(f)
        == "the task's worker died\n"
           "worker 1234 was killed by SIGSEGV (Segmentation fault)\n"
           "it may have executed\n"
           "backtrace:\n"
           "  #0 f()\n"
           "  #1 main\n"
           "last output:\n"
           "  reading a.png\n"
           "  reading b.png");
}

TEST_CASE("a report leaves out what is not known") {
  failure f;
  f.kind = failure_kind::cancelled;
  CHECK(to_string(f) == "cancelled");
  f.kind = failure_kind::task_exception;
  f.message = "no such file";
  f.type = "std::runtime_error";
  f.worker = 7;
  f.may_have_executed = true; // goes without saying: it threw
  CHECK(to_string(f) == "no such file\nexception of type std::runtime_error\nin worker 7");
  f.exit = {2, 0, exit_cause::exited};
  CHECK(to_string(f).ends_with("\nworker 7 exited with code 2"));
}

TEST_CASE("text of a worker is made fit for a terminal: UTF-8 without control characters") {
  using runtime::printable;
  CHECK(printable("tab\tline\nGr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80")
        == "tab\tline\nGr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80");
  CHECK(printable(std::string_view{"\0\x1b[2J\r\x7f", 7}) == "??[2J??");
  CHECK(printable("\x80\xff") == "??");
  CHECK(printable("cut \xe2\x82") == "cut ??");
  CHECK(printable("overlong \xc0\xaf \xe0\x80\xaf \xf0\x80\x80\xaf") == "overlong ?? ??? ????");
  CHECK(printable("surrogate \xed\xa0\x80") == "surrogate ???");
  CHECK(printable("beyond \xf4\x90\x80\x80") == "beyond ????");
}

TEST_CASE("text of a worker is cut, with a mark") {
  const std::string whole(runtime::max_text_bytes, 'x');
  CHECK(runtime::printable(whole) == whole);
  CHECK(runtime::printable(whole + 'x') == whole + " [... cut]");
}

TEST_CASE("a worker says what its task did, and not what became of worker or pool") {
  for (int kind = 0; kind < 256; ++kind) {
    failure said;
    said.kind = static_cast<failure_kind>(kind);
    detail::buffer bytes;
    runtime::encode_failure(bytes, said);
    failure heard;
    const bool of_task =
      said.kind == failure_kind::task_exception || said.kind == failure_kind::timeout
      || said.kind == failure_kind::too_large || said.kind == failure_kind::codec;
    CHECK(runtime::decode_failure(bytes.bytes(), heard) == of_task);
    if (of_task)
      CHECK(heard.kind == said.kind);
  }
}

TEST_CASE("each kind is thrown as its exception class, with what() the report") {
  CHECK(throws_as<task_error>(failure_kind::task_exception));
  CHECK(throws_as<worker_died>(failure_kind::worker_died));
  CHECK(throws_as<timeout_error>(failure_kind::timeout));
  CHECK(throws_as<cancelled_error>(failure_kind::cancelled));
  CHECK(throws_as<pool_closed>(failure_kind::pool_closed));
  CHECK(throws_as<pool_broken>(failure_kind::pool_broken));
  CHECK(throws_as<poisoned_error>(failure_kind::poisoned));
  CHECK(throws_as<queue_full>(failure_kind::rejected));
  CHECK(throws_as<too_large>(failure_kind::too_large));
  CHECK(throws_as<codec_error>(failure_kind::codec));
  CHECK(throws_as<config_error>(failure_kind::config));
  CHECK(config_error{"wrong"}.info().kind == failure_kind::config);
}
