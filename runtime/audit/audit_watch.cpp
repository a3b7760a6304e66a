#include "runtime/audit/audit_watch.hpp"

#include "runtime/audit/audit_record.hpp"
#include "runtime/audit/look_at_call.hpp"
#include "runtime/sandbox/close_sandbox.hpp"

#include <linux/seccomp.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <system_error>
#include <utility>
#include <vector>

// The host decides nothing here: the kernel makes the call itself once it is let go on, so threads,
// signals and new processes are what they are without an audit. Emulating calls in a SIGSYS handler
// of the worker could not have that: the handler would run on the stack of a clone, and libc blocks
// the signal while it starts a thread.
namespace bulkhead::runtime::audit {

namespace {

/// The kernel's structures may be longer than those that we were compiled with.
struct sizes {
  sizes() noexcept {
    seccomp_notif_sizes now{};
    if (::syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &now) == 0) {
      request = std::max(request, std::size_t{now.seccomp_notif});
      answer = std::max(answer, std::size_t{now.seccomp_notif_resp});
    }
  }
  std::size_t request = sizeof(seccomp_notif);
  std::size_t answer = sizeof(seccomp_notif_resp);
};

const sizes& kernel_sizes() noexcept {
  static const sizes known;
  return known;
}

template <class T>
class sized {
public:
  explicit sized(std::size_t bytes) : words_(bytes / sizeof(std::uint64_t) + 1) {}
  T& operator*() noexcept { return *reinterpret_cast<T*>(words_.data()); }
  T* operator->() noexcept { return &**this; }

private:
  std::vector<std::uint64_t> words_;
};

unique_fd take_out(int pidfd, int number) {
  unique_fd taken{static_cast<int>(::syscall(SYS_pidfd_getfd, pidfd, number, 0U))};
  if (!taken)
    throw std::system_error(errno, std::generic_category(), "pidfd_getfd");
  return taken;
}

} // namespace

audit_watch::audit_watch(std::shared_ptr<reactor> thread, pid_t worker, int pidfd, int number,
                         std::shared_ptr<sandbox_audit> into)
  : thread_(std::move(thread)), worker_(worker), into_(std::move(into)),
    listener_(take_out(pidfd, number)) {
  watch_ = thread_->watch(listener_.get(), EPOLLIN, [this](std::uint32_t events) {
    if ((events & EPOLLIN) != 0)
      look();
    else // the last process under the filter has ended
      thread_->unwatch(std::exchange(watch_, 0));
  });
}

audit_watch::~audit_watch() { thread_->unwatch(watch_); }

// A worker starts the library's thread and sets its handlers before the late rules come down.
bool audit_watch::is_of_library(const seccomp_notif& call) noexcept {
  const auto number = call.data.nr;
  if (begun_ || (number != SYS_seccomp && number != SYS_clone && number != SYS_rt_sigaction))
    return false;
  begun_ = number == SYS_seccomp && call.data.args[0] == sandbox::audit_begins;
  return true;
}

void audit_watch::look() noexcept try {
  sized<seccomp_notif> asked{kernel_sizes().request};
  if (::ioctl(listener_.get(), SECCOMP_IOCTL_NOTIF_RECV, &*asked) != 0)
    return; // its thread was killed meanwhile
  try {
    if (!is_of_library(*asked))
      for (const auto& each : look_at_call(*asked, worker_))
        into_->record().note(each);
  } catch (const std::exception&) { // no memory: it goes on all the same
  }
  sized<seccomp_notif_resp> answer{kernel_sizes().answer};
  answer->id = asked->id;
  answer->flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
  ::ioctl(listener_.get(), SECCOMP_IOCTL_NOTIF_SEND, &*answer);
} catch (const std::exception&) { // no memory: it is asked again, for the descriptor stays readable
}

} // namespace bulkhead::runtime::audit
