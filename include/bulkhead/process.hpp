#pragma once

#include <bulkhead/callable.hpp>
#include <bulkhead/detail/duration.hpp>
#include <bulkhead/options.hpp>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include <sys/types.h>

namespace bulkhead {

namespace detail {
struct process_control;
}

/// Options of a process.
struct process_options {
  std::string name = {};                         ///< default: "process-N"; its first 15
                                                 ///< letters are what ps shows
  start_method start = start_method::forkserver; ///< forkserver or spawn
  output_mode output = output_mode::inherit;     ///< inherit or null
  resource_limits limits = {};
  std::vector<int> affinity = {}; ///< CPUs it may use; empty: all
  int nice = 0;                   ///< added to its niceness, 0 to 19
};

/// One function in a process of its own:
///
///     bulkhead::process child(work, 42);
///     child.start();
///     child.join();
///
/// Its result is dropped. An exception that leaves it goes to stderr with its type, and the exit
/// code is 1. The process is as isolated as a pool's worker (stdin is /dev/null, SIGINT is ignored,
/// no descriptor is inherited) and does not outlive its host. Not thread-safe, except that one
/// thread may kill or terminate while another joins.
class process {
public:
  /// No process: is_alive() is false and start() throws.
  process() noexcept;

  /// `f` is any shippable callable and is called with `args`. Throws codec_error.
  template <class F, class... Args>
    requires(!std::is_same_v<std::remove_cvref_t<F>, process>
             && !std::is_same_v<std::remove_cvref_t<F>, process_options>)
  explicit process(F&& f, const Args&... args)
    : process(process_options{}, std::forward<F>(f), args...) {}

  template <class F, class... Args>
  process(process_options options, F&& f, const Args&... args)
    : process(call(std::forward<F>(f), args...), std::move(options)) {}

  process(process&&) noexcept;
  process& operator=(process&&) noexcept;

  /// A process that still runs is killed and reaped, within about two seconds, as leaving the block
  /// of a pool does. join() first to let it finish.
  ~process();

  /// Returns when the process exists. Once only. Throws config_error for options that cannot work,
  /// and pool_broken when the system refuses, with call, error and limit.
  void start();

  /// Waits until it has ended.
  void join();
  /// Waits at most so long; false: it still runs.
  template <class Rep, class Period>
  bool join(std::chrono::duration<Rep, Period> timeout) {
    return join_for(detail::to_nanoseconds(timeout));
  }

  bool is_alive() const;
  pid_t pid() const; ///< 0 before start()
  /// Empty until it has ended; -N: ended by signal N; 255: it ended and nobody could learn how.
  std::optional<int> exit_code() const;

  void terminate(); ///< SIGTERM. Nothing happens where it has ended
  void kill();      ///< SIGKILL
  /// Gives the descriptor back; only join, exit_code and pid work afterwards. Throws config_error
  /// while it runs.
  void close();
  /// A descriptor (pidfd) that becomes readable when it ends; -1 before start() and after close().
  int sentinel() const;
  const std::string& name() const;

private:
  process(callable call, process_options options);
  bool join_for(std::chrono::nanoseconds timeout);
  detail::process_control& started() const;

  std::unique_ptr<detail::process_control> control_;
};

} // namespace bulkhead
