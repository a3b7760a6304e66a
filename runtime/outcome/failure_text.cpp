#include <bulkhead/failure.hpp>
#include <bulkhead/pool_info.hpp>

#include <algorithm>
#include <csignal>
#include <cstring>

namespace bulkhead {

namespace {

std::string signal_text(int signal) {
  if (const char* name = ::sigabbrev_np(signal); name != nullptr)
    return "SIG" + std::string{name} + " (" + ::sigdescr_np(signal) + ')';
  if (signal >= SIGRTMIN && signal <= SIGRTMAX)
    return "SIGRTMIN+" + std::to_string(signal - SIGRTMIN);
  return "signal " + std::to_string(signal);
}

/// Why the process ended, where signal or code alone do not say it.
std::string_view reason(exit_cause cause) noexcept {
  switch (cause) {
  case exit_cause::none:
  case exit_cause::exited:
  case exit_cause::crashed:
  case exit_cause::killed:
  case exit_cause::unknown:
    return {};
  case exit_cause::timed_out:
    return "its task exceeded a time limit";
  case exit_cause::memory_limit:
    return "it exceeded its memory limit";
  case exit_cause::cpu_limit:
    return "it exceeded its limit of CPU time";
  case exit_cause::unresponsive:
    return "it gave no heartbeat";
  case exit_cause::bad_message:
    return "it broke the wire protocol";
  case exit_cause::recycled:
    return "its pool replaced it";
  case exit_cause::start_failed:
    return "it could not start";
  case exit_cause::shutdown:
    return "its pool ended it";
  case exit_cause::policy_violation:
    return "its sandbox forbids a system call that it made";
  case exit_cause::neighbour_killed:
    return "another actor in it had to be ended";
  case exit_cause::node_lost:
    return "its node was not heard of for a whole lease";
  }
  return {};
}

std::string ending_text(const exit_status& status) {
  if (status.signal != 0)
    return "killed by " + signal_text(status.signal);
  if (status.cause == exit_cause::exited || status.code != 0)
    return "exited with code " + std::to_string(status.code);
  return "ended";
}

/// "worker 1234 was killed by ...", or where it ran while it lives; empty if the message says it.
std::string worker_line(const failure& f) {
  const auto name = "worker " + std::to_string(f.worker);
  // Most messages of deaths begin with the worker already.
  if (f.message.starts_with(name + ' '))
    return {};
  if (f.exit.cause == exit_cause::none)
    return "in " + name;
  return name + (f.exit.signal != 0 ? " was " : " ") + to_string(f.exit);
}

bool says_whether_it_ran(failure_kind kind) noexcept {
  return kind == failure_kind::worker_died || kind == failure_kind::timeout
         || kind == failure_kind::cancelled || kind == failure_kind::pool_broken
         || kind == failure_kind::poisoned;
}

void add_line(std::string& report, std::string_view line) {
  while (!line.empty() && line.back() == '\n')
    line.remove_suffix(1);
  if (line.empty())
    return;
  if (!report.empty())
    report += '\n';
  report += line;
}

void add_block(std::string& report, std::string_view title, std::string_view text) {
  if (text.empty())
    return;
  add_line(report, title);
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    add_line(report, "  " + std::string{text.substr(0, end)});
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

} // namespace

std::string_view to_string(exit_cause cause) noexcept {
  switch (cause) {
  case exit_cause::none:
    return "none";
  case exit_cause::exited:
    return "exited";
  case exit_cause::crashed:
    return "crashed";
  case exit_cause::killed:
    return "killed";
  case exit_cause::timed_out:
    return "timed_out";
  case exit_cause::memory_limit:
    return "memory_limit";
  case exit_cause::cpu_limit:
    return "cpu_limit";
  case exit_cause::unresponsive:
    return "unresponsive";
  case exit_cause::bad_message:
    return "bad_message";
  case exit_cause::recycled:
    return "recycled";
  case exit_cause::start_failed:
    return "start_failed";
  case exit_cause::shutdown:
    return "shutdown";
  case exit_cause::unknown:
    return "unknown";
  case exit_cause::policy_violation:
    return "policy_violation";
  case exit_cause::neighbour_killed:
    return "neighbour_killed";
  case exit_cause::node_lost:
    return "node_lost";
  }
  return "invalid";
}

std::string to_string(const exit_status& status) {
  if (status.cause == exit_cause::none)
    return "has not ended";
  if (status.cause == exit_cause::unknown && status.signal == 0 && status.code == 0)
    return "ended and nobody could learn how";
  auto text = ending_text(status);
  if (const auto why = reason(status.cause); !why.empty())
    text.append(": ").append(why);
  return text;
}

std::string_view to_string(failure_kind kind) noexcept {
  switch (kind) {
  case failure_kind::task_exception:
    return "task_exception";
  case failure_kind::worker_died:
    return "worker_died";
  case failure_kind::timeout:
    return "timeout";
  case failure_kind::cancelled:
    return "cancelled";
  case failure_kind::pool_closed:
    return "pool_closed";
  case failure_kind::pool_broken:
    return "pool_broken";
  case failure_kind::poisoned:
    return "poisoned";
  case failure_kind::rejected:
    return "rejected";
  case failure_kind::too_large:
    return "too_large";
  case failure_kind::codec:
    return "codec";
  case failure_kind::config:
    return "config";
  }
  return "invalid";
}

std::string to_string(const failure& f) {
  std::string report;
  add_line(report, f.message.empty() ? to_string(f.kind) : std::string_view{f.message});
  if (!f.type.empty())
    add_line(report, "exception of type " + f.type);
  if (f.worker != 0)
    add_line(report, worker_line(f));
  if (f.may_have_executed && says_whether_it_ran(f.kind))
    add_line(report, "it may have executed");
  add_block(report, "backtrace:", f.backtrace);
  add_block(report, "thrown at:", f.thrown_at.text());
  add_block(report, "last output:", f.last_output);
  return report;
}

std::string_view to_string(worker_kind kind) noexcept {
  switch (kind) {
  case worker_kind::tasks:
    return "tasks";
  case worker_kind::actors:
    return "actors";
  }
  return "invalid";
}

std::string_view to_string(worker_state state) noexcept {
  switch (state) {
  case worker_state::starting:
    return "starting";
  case worker_state::idle:
    return "idle";
  case worker_state::busy:
    return "busy";
  case worker_state::draining:
    return "draining";
  case worker_state::dead:
    return "dead";
  }
  return "invalid";
}

} // namespace bulkhead
