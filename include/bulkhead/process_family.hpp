#pragma once

#include <bulkhead/detail/duration.hpp>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

namespace bulkhead {

/// A process of this program.
struct process_info {
  std::string name; ///< "main"; of a process, its name; of workers "POOL/3", "POOL/actors-1"
  pid_t pid = 0;

  friend bool operator==(const process_info&, const process_info&) = default;
};

/// The calling process, whichever kind it is. Thread-safe.
process_info current_process();

/// The processes that this one has made and that have not ended: of each `process` and each pool,
/// the oldest first. Thread-safe.
std::vector<process_info> active_children();

/// The process that made the calling one, which ends soon after it: its watch thread ends it as
/// soon as it hears of that. A value; copies mean the same process. Thread-safe.
class parent {
public:
  const std::string& name() const noexcept { return info_.name; }
  pid_t pid() const noexcept { return info_.pid; }
  bool is_alive() const noexcept;
  /// Waits until it has ended.
  void join() const noexcept;
  /// Waits at most so long; false: it still runs.
  template <class Rep, class Period>
  bool join(std::chrono::duration<Rep, Period> timeout) const noexcept {
    return join_until(detail::deadline_after(detail::to_nanoseconds(timeout)));
  }
  /// A descriptor (pidfd) that becomes readable when it ends; belongs to the library.
  int sentinel() const noexcept { return sentinel_; }

private:
  friend std::optional<parent> parent_process();
  parent(process_info info, int sentinel) : info_(std::move(info)), sentinel_(sentinel) {}
  bool join_until(std::chrono::steady_clock::time_point until) const noexcept;

  process_info info_;
  int sentinel_;
};

/// Empty in a process that the library did not make.
std::optional<parent> parent_process();

} // namespace bulkhead
