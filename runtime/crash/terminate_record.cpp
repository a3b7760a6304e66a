#include "runtime/crash/terminate_record.hpp"

#include "runtime/crash/crash_log.hpp"
#include "runtime/outcome/failure_wire.hpp"

#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <exception>
#include <new>
#include <string>

namespace bulkhead::runtime {

namespace {

constexpr std::size_t max_line_bytes = 1024;

constinit flight_recorder* record_of_terminate = nullptr;
constinit pid_t recorded_process = 0;
constinit std::terminate_handler previous_handler = nullptr;
constinit std::atomic<bool> entered{false};

void log_reason() noexcept {
  if (!std::current_exception()) {
    record_log_line(*record_of_terminate, "std::terminate without an exception");
    return;
  }
  try {
    const auto f = describe_current_exception();
    const auto line = "std::terminate with " + f.type + ": " + f.message;
    record_log_line(*record_of_terminate, std::string_view{line}.substr(0, max_line_bytes));
  } catch (const std::bad_alloc&) {
    record_log_line(*record_of_terminate, "std::terminate, and no memory left to say why");
  }
}

// Runs in an ordinary context, so it may allocate; the text is the user's code and may fail again.
void on_terminate() {
  // Relaxed: nothing is passed on but the flag.
  if (entered.exchange(true, std::memory_order_relaxed))
    std::abort();
  // A child that a task has forked shares the record, and must not write its own end there.
  if (::getpid() == recorded_process)
    log_reason();
  previous_handler();
  std::abort();
}

} // namespace

void record_terminate(flight_recorder& into) noexcept {
  record_of_terminate = &into;
  recorded_process = ::getpid();
  if (const auto before = std::set_terminate(&on_terminate); before != &on_terminate)
    previous_handler = before;
}

} // namespace bulkhead::runtime
