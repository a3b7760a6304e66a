#include "runtime/process/watch_thread.hpp"

#include "runtime/process/worker_start.hpp"
#include "runtime/sandbox/close_sandbox.hpp"
#include "runtime/system/children.hpp"
#include "runtime/system/file_status.hpp"
#include "runtime/system/launch_error.hpp"
#include "runtime/system/timespec.hpp"
#include "runtime/this_process/own_threads.hpp"

#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <memory>

// The second thread of a worker. It beats, ends the process when its host or channel is gone, and
// reads the control socket, also while a task runs for ever.
namespace bulkhead::runtime {

namespace {

constexpr std::chrono::nanoseconds soon_again = std::chrono::milliseconds{50};

struct watch {
  int control;
  int host;
  std::atomic<std::uint64_t>* beat;
  std::chrono::nanoseconds interval;
  std::function<void(int)> on_message;
  std::function<bool()> on_turn;
  pid_t forkserver;
  ino_t control_inode;
};

ino_t socket_inode(int fd) noexcept {
  struct stat status {};
  return file_status(fd, status) == 0 && S_ISSOCK(status.st_mode) ? status.st_ino : 0;
}

// With a living forkserver a plain end is enough: it kills our group and our orphans. Without one
// nobody else would.
[[noreturn]] void end_process(const watch& self) noexcept {
  if (::getppid() != self.forkserver) {
    kill_all_children();
    if (::getpgrp() == ::getpid())
      ::kill(0, SIGKILL);
  }
  ::_exit(exit_hung_up);
}

void read_message(const watch& self) {
  if (self.on_message)
    return self.on_message(self.control);
  std::array<char, 64> ignored;
  [[maybe_unused]] const auto bytes =
    ::recv(self.control, ignored.data(), ignored.size(), MSG_DONTWAIT);
}

void beat_once(const watch& self) noexcept {
  if (self.beat != nullptr) // relaxed: the host only looks whether it moves
    self.beat->store(self.beat->load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

[[noreturn]] void watch_forever(const watch& self) {
  bool soon = false;
  for (;;) {
    beat_once(self);
    std::array looks{pollfd{self.control, POLLIN, 0}, pollfd{self.host, POLLIN, 0}};
    const auto interval = as_timespec(soon ? std::min(self.interval, soon_again) : self.interval);
    const auto* patience = self.interval.count() > 0 ? &interval : nullptr;
    // The beat comes before the sleep, so a thread that is not scheduled does not beat: that is
    // what the host wants to see.
    const auto count = ::ppoll(looks.data(), looks.size(), patience, nullptr);
    soon = self.on_turn && self.on_turn();
    const auto lost = (looks[0].revents & (POLLHUP | POLLERR | POLLNVAL)) != 0;
    // A task that closed or replaced our descriptors has cut the worker off.
    if (lost || looks[1].revents != 0 || socket_inode(self.control) != self.control_inode)
      end_process(self);
    if (count > 0 && (looks[0].revents & POLLIN) != 0)
      read_message(self);
  }
}

void* watch_main(void* given) {
  const std::unique_ptr<watch> self{static_cast<watch*>(given)};
  pthread_setname_np(pthread_self(), "bulkhead-watch");
  const own_thread registered;
  watch_forever(*self);
}

int start_small_thread(void* given) noexcept {
  constexpr std::size_t stack_bytes = 256 * 1024;
  sigset_t all;
  // A signal for the process has to find the task's thread: its handlers are the user's.
  sigfillset(&all);
  sigdelset(&all, SIGSYS); // a call that a sandbox forbids is recorded, whoever makes it
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setsigmask_np(&attributes, &all);
  pthread_attr_setstacksize(&attributes, stack_bytes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  pthread_t thread;
  const auto error = pthread_create(&thread, &attributes, &watch_main, given);
  pthread_attr_destroy(&attributes);
  return error;
}

} // namespace

void start_watch_thread(int control, int host_pidfd, std::atomic<std::uint64_t>* beat,
                        std::chrono::nanoseconds interval, std::function<void(int)> on_message,
                        std::function<bool()> on_turn) {
  auto self =
    std::make_unique<watch>(watch{control, host_pidfd, beat, interval, std::move(on_message),
                                  std::move(on_turn), ::getppid(), socket_inode(control)});
  if (const auto error = start_small_thread(self.get()); error != 0)
    throw launch_error{"pthread_create", error};
  static_cast<void>(self.release()); // the thread's now
  // Behind pthread_create(): the late gate forbids what making this thread needed, and covers it
  // too.
  if (const auto error = sandbox::close_late_gate(); error != 0)
    throw launch_error{"seccomp(SECCOMP_FILTER_FLAG_TSYNC)", error};
}

} // namespace bulkhead::runtime
