#include "runtime/process/host_stderr.hpp"

#include "runtime/this_process/this_process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

// Writes to the host's stderr without ever blocking it. O_NONBLOCK belongs to the open file, which
// a terminal or pipe shares with other processes (man 2 fcntl), so the file is opened anew where
// that is possible.
namespace bulkhead::runtime {

namespace {

/// Keeps SIGPIPE from this thread and takes back one that a write inside the scope has raised.
class no_sigpipe {
public:
  no_sigpipe() noexcept {
    sigset_t pending;
    sigpending(&pending);
    // One that was pending before is the program's own, and must stay.
    was_pending_ = sigismember(&pending, SIGPIPE) == 1;
    sigemptyset(&pipe_);
    sigaddset(&pipe_, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
  }
  ~no_sigpipe() {
    const timespec at_once{};
    if (raised_ && !was_pending_)
      sigtimedwait(&pipe_, nullptr, &at_once);
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  no_sigpipe(const no_sigpipe&) = delete;
  no_sigpipe& operator=(const no_sigpipe&) = delete;

  void note_raised() noexcept { raised_ = true; }

private:
  sigset_t pipe_{};
  sigset_t before_{};
  bool was_pending_ = false;
  bool raised_ = false;
};

bool has_room(int fd) noexcept {
  pollfd look{fd, POLLOUT, 0};
  return ::poll(&look, 1, 0) == 1 && (look.revents & POLLOUT) != 0;
}

} // namespace

host_stderr::host_stderr() noexcept {
  struct stat about {};
  if (this_process::get().stderr_closed || ::fstat(STDERR_FILENO, &about) != 0)
    return;
  if (S_ISREG(about.st_mode)) {
    kind_ = kind::file;
  } else if (S_ISSOCK(about.st_mode)) {
    kind_ = kind::socket; // cannot be opened again; does not need it either
  } else {
    own_.reset(::open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
    kind_ = own_ ? kind::reopened : kind::shared;
  }
}

long host_stderr::attempt(std::string_view text) noexcept {
  if (kind_ == kind::none)
    return -1;
  if (kind_ == kind::socket)
    return ::send(STDERR_FILENO, text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  if (kind_ == kind::reopened)
    return ::write(own_.get(), text.data(), text.size());
  // Somebody else's terminal: with room for PIPE_BUF bytes a write returns at once.
  if (kind_ == kind::shared && !has_room(STDERR_FILENO))
    return -1;
  return ::write(STDERR_FILENO, text.data(), text.size());
}

bool host_stderr::write(std::string_view text) noexcept {
  no_sigpipe guard;
  errno = 0;
  const auto written = attempt(text);
  if (written < 0 && errno == EPIPE)
    guard.note_raised();
  return written == static_cast<long>(text.size());
}

} // namespace bulkhead::runtime
