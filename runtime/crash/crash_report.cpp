#include "runtime/crash/crash_report.hpp"

#include "runtime/crash/trace_text.hpp"
#include "runtime/outcome/failure_wire.hpp"
#include "runtime/sandbox/address_text.hpp"
#include "runtime/sandbox/named_places.hpp"

#include <bulkhead/detail/validated.hpp>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstring>
#include <exception>
#include <span>
#include <vector>

// A crash as text, made in the host from a dead worker's recorder. All of it is the worker's word:
// numbers are bounded, texts cleaned, addresses only looked up. It takes its time, so no lock of a
// pool is held.
namespace bulkhead::runtime {

namespace {

constexpr int max_signal = 64;
constexpr std::uint64_t most_calls = 1U << 20;

/// A number out of the record, or what is left of it.
std::size_t bounded(const char* check, std::uint32_t number, std::size_t most) noexcept {
  return detail::validated(check, number <= most) ? number : most;
}

std::string copy_of_log(const flight_recorder& from) {
  // Relaxed: as below.
  const auto bytes = bounded("record.log", from.log_end.load(std::memory_order_relaxed), log_bytes);
  return {from.log, bytes};
}

bool names_address(long call) noexcept {
  return std::ranges::any_of(sandbox::named_places, [call](const auto& each) {
    return each.call == call && each.use == sandbox::place_use::address;
  });
}

/// The record as it was at one moment, within bounds.
struct record_copy {
  explicit record_copy(const flight_recorder& from) {
    // Relaxed: the writer is dead; if it is not, a torn record is as good as any other garbage.
    const auto raised = from.signal.load(std::memory_order_relaxed);
    signal =
      detail::validated("record.signal", raised <= max_signal) ? static_cast<int>(raised) : 0;
    const auto count =
      signal == 0
        ? 0
        : bounded("record.frames", from.frame_count.load(std::memory_order_relaxed), max_frames);
    for (std::size_t i = 0; i < count; ++i)
      frames.push_back({from.frames[i], from.modules[i], from.offsets[i]});
    log = copy_of_log(from);
    copy_call(from);
  }

  void copy_call(const flight_recorder& from) {
    const auto number = from.call;
    if (signal != SIGSYS || number == 0)
      return;
    call.emplace();
    call->number =
      detail::validated("record.call", number <= most_calls) ? static_cast<long>(number) - 1 : -1;
    std::copy_n(from.call_arguments, call->arguments.size(), call->arguments.begin());
    std::array<char, call_place_bytes> place{};
    std::copy_n(from.call_place, place.size(), place.begin());
    place.back() = '\0';
    call->target = printable(names_address(call->number) && place.front() != '\0'
                               ? sandbox::address_text(std::as_bytes(std::span{place}))
                               : std::string{place.data()});
  }

  int signal = 0;
  std::vector<code_trace::frame> frames;
  std::string log;
  std::optional<forbidden_call> call;
};

} // namespace

std::string read_log(const flight_recorder& from) { return printable(copy_of_log(from)); }

crash_report read_crash(const flight_recorder& from) noexcept {
  crash_report report;
  try {
    const record_copy record{from};
    report.signal = record.signal;
    report.log = printable(record.log);
    report.call = record.call;
    report.stack_overflow =
      record.signal != 0 && report.log.find(": stack overflow\n") != std::string::npos;
    report.backtrace = trace_text(record.frames);
  } catch (const std::exception&) { // no memory or no lock: what is there so far
  }
  return report;
}

} // namespace bulkhead::runtime
