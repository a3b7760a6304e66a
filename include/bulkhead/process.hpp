#pragma once

#include <bulkhead/callable.hpp>
#include <bulkhead/detail/duration.hpp>
#include <bulkhead/detail/kept_failure.hpp>
#include <bulkhead/options.hpp>
#include <bulkhead/outcome.hpp>
#include <bulkhead/process_family.hpp>

#include <cxxabi.h>

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <typeinfo>
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
  output_mode output = output_mode::inherit;     ///< prefix: to stderr, "[name/N] "
  resource_limits limits = {};
  std::vector<int> affinity = {}; ///< CPUs it may use; empty: all
  int nice = 0;                   ///< added to its niceness, 0 to 19
  bool daemon = true;             ///< the destructor kills it; false: waits for its end
  sandbox_policy sandbox = {};    ///< what it may do by itself; a violation ends it by SIGSYS
};

/// One function in a process of its own:
///
///     bulkhead::process child(work, 42);
///     child.start();
///     child.join();
///
///     int answer = child.get<int>(); // what work returned; throws what became of it otherwise
///
/// An exception that leaves it also goes to stderr with its type, and the exit code is 1. The
/// process is as isolated as a pool's worker (stdin is /dev/null, SIGINT is ignored,
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
    : process(call(std::forward<F>(f), args...), std::move(options),
              typeid(detail::shipped_result_t<F, Args...>)) {}

  process(process&&) noexcept;
  process& operator=(process&&) noexcept;

  /// A process that still runs is killed and reaped, within about two seconds, as leaving the block
  /// of a pool does; one that is no daemon is waited for, however long it takes.
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

  /// How it ended, with the cause; cause none until then.
  exit_status status() const;

  /// Waits, then gives what the function returned; T is exactly its type, or void to drop it.
  /// Throws what became of it otherwise: task_error with the exception's type and text, worker_died
  /// with exit status and backtrace of a crash, too_large, codec_error; and config_error where T is
  /// another type. Again and again; thread-safe once it has ended.
  template <class T>
  T get() {
    const auto bytes = value_of(typeid(T));
    if constexpr (!std::is_void_v<T>)
      return detail::decode_result<T>(bytes);
  }
  /// The same as a value.
  template <class T>
  bulkhead::outcome<T> outcome() {
    if (auto why = failure())
      return std::move(*why);
    const auto bytes = value_of(typeid(T));
    try {
      if constexpr (std::is_void_v<T>)
        return {};
      else
        return detail::decode_result<T>(bytes);
    } catch (abi::__forced_unwind&) {
      throw;
    } catch (...) {
      return detail::undecodable_result();
    }
  }
  /// Waits; why there is no result, empty where there is one.
  std::optional<bulkhead::failure> failure();
  /// The last lines that it has printed, up to 16 KiB; empty unless output is prefix or capture,
  /// and after close().
  std::string last_output();

  /// Asks its function to end: this_worker::stop_requested() is true in it from now on. Nothing
  /// happens where it has ended.
  void interrupt();
  void terminate(); ///< SIGTERM. Nothing happens where it has ended
  void kill();      ///< SIGKILL
  /// Gives the descriptors back; sentinel and the signals have no effect afterwards. Throws
  /// config_error while it runs.
  void close();
  /// A descriptor (pidfd) that becomes readable when it ends; -1 before start() and after close().
  int sentinel() const;
  const std::string& name() const;

private:
  process(callable call, process_options options, const std::type_info& result);
  std::span<const std::byte> value_of(const std::type_info& type);
  bool join_for(std::chrono::nanoseconds timeout);
  detail::process_control& started() const;

  std::unique_ptr<detail::process_control> control_;
};

} // namespace bulkhead
