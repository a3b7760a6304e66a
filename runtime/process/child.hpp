#pragma once

#include "runtime/audit/audit_watch.hpp"
#include "runtime/process/launch_message.hpp"
#include "runtime/system/unique_fd.hpp"
#include "runtime/this_process/reactor.hpp"

#include <bulkhead/isolation.hpp>

#include <sys/resource.h>

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace bulkhead::runtime {

/// How a launched process ended, in the words of the kernel.
struct child_exit {
  bool known = false;     ///< false: nobody could learn it; the process is gone all the same
  int code = 0;           ///< exit code; 0 when a signal ended it
  int signal = 0;         ///< 0: it exited
  bool core = false;      ///< a core was written
  bool started = false;   ///< its clean start was completed
  bool sandboxed = false; ///< a filter of system calls was asked for
  rusage usage = {}; ///< of it and the children it waited for; zero when not from the forkserver
  std::string start_error; ///< why its clean start failed
};

/// A launched process and the only way to signal it: by pidfd, so a reused number is never hit.
/// Thread-safe. It lives until its exit was delivered, whoever lets go of it before.
class child : public std::enable_shared_from_this<child> {
public:
  using exit_handler = std::function<void(const child_exit&)>;

  /// With `audit` its calls are looked at and noted there.
  child(pid_t pid, unique_fd pidfd, unique_fd control, worker_setup setup, std::string name = {},
        std::shared_ptr<sandbox_audit> audit = {});
  ~child();

  pid_t pid() const noexcept { return pid_; }
  const std::string& name() const noexcept { return name_; }
  int pidfd() const noexcept { return pidfd_.get(); }
  /// Our end of the control socket (SOCK_SEQPACKET). Closing it ends a worker with a watch thread.
  int control() const noexcept { return control_.get(); }
  /// True: the signal was sent. A process that has ended is no longer reached.
  bool kill(int signal) noexcept;
  /// Closes our end of the control socket. Call it once, and use control() no more.
  void hang_up() noexcept { control_.reset(); }
  /// What its clean start really did; steps are inactive until it has started.
  std::vector<isolation_feature> isolation() const;

private:
  friend class forkserver;

  /// Watches for the end. `gone` runs after the exit was delivered. Throws std::system_error.
  void begin(std::shared_ptr<reactor> thread, exit_handler on_exit, std::function<void()> gone);
  /// An audited one is told when its calls are looked at.
  void tell_go() noexcept;
  // On the runtime thread:
  void take(const notice& news);
  void undertaker_died();
  void pidfd_ready();
  bool learn_status() noexcept;
  void give_up_waiting();
  void finish(std::unique_lock<std::mutex>& lock);
  void begin_audit() noexcept;
  void send_go() noexcept;

  const std::uint64_t owner_;
  const pid_t pid_;
  const unique_fd pidfd_;
  unique_fd control_;
  const worker_setup setup_;
  const std::string name_;
  const std::shared_ptr<sandbox_audit> audit_;
  std::shared_ptr<reactor> reactor_; ///< until finished
  exit_handler on_exit_;
  std::function<void()> gone_;

  mutable std::mutex mutex_; ///< guards what follows
  child_exit exit_;
  setup_report report_;
  int listener_ = -1; ///< the number that the audit's listener has in the worker
  std::unique_ptr<audit::audit_watch> auditing_;
  std::uint64_t watch_ = 0;
  std::uint64_t timer_ = 0;
  bool ended_ = false;    ///< the pidfd said so
  bool orphaned_ = false; ///< no forkserver will tell its status
  bool finished_ = false;
};

} // namespace bulkhead::runtime
