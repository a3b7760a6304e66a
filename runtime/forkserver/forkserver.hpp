#pragma once

#include "runtime/forkserver/forkserver_start.hpp"
#include "runtime/process/child.hpp"
#include "runtime/process/launch_message.hpp"
#include "runtime/process/launch_packet.hpp"
#include "runtime/process/launch_request.hpp"
#include "runtime/this_process/fd_mark.hpp"
#include "runtime/this_process/preload_call.hpp"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

namespace bulkhead::runtime {

/// The host's side of one forkserver process. Thread-safe.
class forkserver : public std::enable_shared_from_this<forkserver> {
public:
  using time_point = std::chrono::steady_clock::time_point;

  explicit forkserver(forkserver_link link);
  ~forkserver();
  forkserver(const forkserver&) = delete;
  forkserver& operator=(const forkserver&) = delete;

  /// The process-wide one; started, with all preloads, if there is none that lives. Throws
  /// launch_error, and config_error without init or in a forked copy.
  static std::shared_ptr<forkserver> common(time_point deadline);
  /// For init, in a process that is single-threaded: makes the process-wide one by clone.
  static void start_early();
  /// A private one, for start_method::fork; see forkserver_copy.
  static std::shared_ptr<forkserver> copy_of_host();
  /// Runs the call in the process-wide forkserver, and in each that replaces it. Throws
  /// launch_error: what it threw, how it died, or the names of the threads it started.
  static void preload(preload_call call, time_point deadline);

  pid_t pid() const noexcept { return link_.pid; }
  /// Names of the foreign threads that make it exec each worker; empty: it forks.
  const std::string& threads() const noexcept { return link_.threads; }
  /// Whether it still takes requests, as far as is known.
  bool usable() const noexcept { return usable_.load(std::memory_order_relaxed); }

  /// Starts a worker. Throws launch_error; then usable() tells whether to try another forkserver.
  std::shared_ptr<child> start(const launch_request& work, child::exit_handler on_exit,
                               time_point deadline);

private:
  struct answer {
    reply_head head;
    std::vector<unique_fd> fds;
  };

  bool owns_its_descriptors() const noexcept;
  void disown_descriptors() noexcept;
  void run_preload(const preload_call& call, time_point deadline);
  answer ask(launch_packet& request, time_point deadline);
  answer await_answer(std::uint64_t sequence, time_point deadline, time_point patience_ends);
  [[noreturn]] void lost(const std::string& why);
  std::shared_ptr<child> adopt(answer got, unique_fd control, const launch_request& work,
                               child::exit_handler on_exit);
  // News of children, in forkserver_notices.cpp:
  void expect_news();
  void launch_ended();
  void read_notices();
  bool watching_here();
  void deliver(const notice& news);
  void notices_ended();
  void forget(pid_t pid, const child* which);
  void rest_if_idle();

  const std::uint64_t owner_;
  forkserver_link link_;
  const fd_mark request_mark_;
  const fd_mark notices_mark_;
  const fd_mark pidfd_mark_;
  std::timed_mutex asking_; ///< one request at a time
  std::uint64_t sequence_ = 0;
  std::atomic<bool> usable_{true}; // relaxed: a hint; every request finds out by itself

  std::mutex mutex_;                 ///< guards what follows; not held while asking
  std::shared_ptr<reactor> reactor_; ///< while there are children
  std::uint64_t notices_watch_ = 0;
  std::unordered_map<pid_t, std::shared_ptr<child>> children_;
  std::size_t starting_ = 0;  ///< launches that have asked and not adopted
  std::vector<notice> early_; ///< news of those
};

} // namespace bulkhead::runtime
