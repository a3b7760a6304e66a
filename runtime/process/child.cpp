#include "runtime/process/child.hpp"

#include "runtime/process/isolation_report.hpp"
#include "runtime/system/descriptors.hpp"
#include "runtime/system/exit_from_pidfd.hpp"
#include "runtime/system/packet_socket.hpp"
#include "runtime/this_process/own_process.hpp"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <cerrno>
#include <csignal>
#include <exception>
#include <memory>
#include <new>
#include <utility>

// One process that the host has started. Its end is learnt from the pidfd, its status from the
// forkserver's notice, in either order; the exit is told once, when both are there or the notice
// has not come in time. The mutex is never held while the handlers run.
namespace bulkhead::runtime {

namespace {

using namespace std::chrono_literals;

// From the end of a process to its status: the forkserver needs about 0.1 ms.
constexpr auto status_patience = 100ms;

void set_status(child_exit& into, int status) noexcept {
  into.known = true;
  into.code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
  into.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  into.core = WIFSIGNALED(status) && WCOREDUMP(status);
}

} // namespace

child::child(pid_t pid, unique_fd pidfd, unique_fd control, worker_setup setup, std::string name,
             std::shared_ptr<sandbox_audit> audit)
  : owner_(own_process::identity()), pid_(pid), pidfd_(std::move(pidfd)),
    control_(std::move(control)), setup_(setup), name_(std::move(name)), audit_(std::move(audit)) {
  exit_.sandboxed =
    !audit_ && (setup_.sandbox_asked & sandbox::bit_of(sandbox::feature::system_calls)) != 0;
}

child::~child() = default;

bool child::kill(int signal) noexcept {
  if (!own_process::is(owner_))
    return false;
  if (send_signal(pidfd_.get(), signal))
    return true;
  // It has rights that the host has given up since; at the end of this socket it ends by itself.
  return signal == SIGKILL && errno == EPERM && ::shutdown(control_.get(), SHUT_RDWR) == 0;
}

// The lock is held while the watch is made: its handler finds watch_ set.
void child::begin(std::shared_ptr<reactor> thread, exit_handler on_exit,
                  std::function<void()> gone) {
  const std::lock_guard lock{mutex_};
  reactor_ = std::move(thread);
  on_exit_ = std::move(on_exit);
  gone_ = std::move(gone);
  watch_ = reactor_->watch(pidfd_.get(), EPOLLIN,
                           [self = shared_from_this()](std::uint32_t) { self->pidfd_ready(); });
  if (exit_.started)
    begin_audit();
}

// Needs the lock. Its word that it is ready may come before or after begin().
void child::begin_audit() noexcept {
  if (!audit_ || !reactor_)
    return;
  try {
    auditing_ =
      std::make_unique<audit::audit_watch>(reactor_, pid_, pidfd_.get(), listener_, audit_);
    send_go();
  } catch (const std::exception& e) {
    exit_.start_error = "its calls cannot be looked at for sandbox.audit: " + std::string{e.what()}
                        + "; the host must be allowed to trace its children";
    kill(SIGKILL);
  }
}

void child::tell_go() noexcept {
  if (!audit_)
    send_go();
}

void child::send_go() noexcept {
  const std::byte go{1};
  if (packet_socket::send_now(control_.get(), std::span{&go, 1}, {}) != 0)
    kill(SIGKILL); // it would wait for ever; its exit tells the rest
}

void child::take(const notice& news) {
  std::unique_lock lock{mutex_};
  switch (news.kind) {
  case notice_kind::ready:
    exit_.started = true;
    report_ = news.report;
    listener_ = news.status;
    begin_audit();
    return;
  case notice_kind::start_failed:
    exit_.start_error = get_text(news.text);
    return;
  case notice_kind::exited:
    set_status(exit_, news.status);
    exit_.usage = news.usage;
    // The pidfd came first and waits for this status.
    if (ended_)
      finish(lock);
    return;
  }
}

void child::undertaker_died() {
  std::unique_lock lock{mutex_};
  // The workers of a dead forkserver live on; the kernel keeps their status only where a pidfd can
  // still tell it (exit_from_pidfd).
  orphaned_ = true;
  if (ended_ && learn_status())
    finish(lock);
}

void child::pidfd_ready() {
  std::unique_lock lock{mutex_};
  // A pidfd stays readable for ever after the end, and would wake the runtime thread again and
  // again.
  reactor_->unwatch(watch_);
  ended_ = true;
  if (exit_.known || (orphaned_ && learn_status()))
    return finish(lock);
  try {
    timer_ = reactor_->at(reactor::clock::now() + status_patience,
                          [self = shared_from_this()] { self->give_up_waiting(); });
  } catch (const std::bad_alloc&) { // better without its status than never
    learn_status();
    finish(lock);
  }
}

void child::give_up_waiting() {
  std::unique_lock lock{mutex_};
  timer_ = 0;
  learn_status();
  finish(lock);
}

bool child::learn_status() noexcept {
  if (const auto status = exit_from_pidfd(pidfd_.get()))
    set_status(exit_, *status);
  return exit_.known;
}

void child::finish(std::unique_lock<std::mutex>& lock) {
  if (std::exchange(finished_, true))
    return;
  const auto self = shared_from_this();
  auditing_.reset();
  if (timer_ != 0)
    reactor_->cancel(timer_);
  reactor_.reset(); // before on_exit: a pool that hears of its last worker joins the runtime thread
  const auto on_exit = std::exchange(on_exit_, nullptr);
  const auto gone = std::exchange(gone_, nullptr);
  const auto exit = std::move(exit_); // only its text leaves
  lock.unlock();
  // The forkserver forgets the pid before the pool hears of the end: the pool may be the last user,
  // and destroy what both live in.
  gone();
  if (on_exit)
    on_exit(exit);
}

std::vector<isolation_feature> child::isolation() const {
  const std::lock_guard lock{mutex_};
  return isolation_report(setup_, exit_.started ? &report_ : nullptr, orphaned_);
}

} // namespace bulkhead::runtime
