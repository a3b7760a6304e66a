#include "tools/text/line_stream.hpp"

#include <algorithm>
#include <cerrno>
#include <system_error>

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

namespace bulkhead::config {

namespace {

constexpr std::size_t block_bytes = std::size_t{1} << 16;
constexpr std::size_t kept_of_cut = 64;

bool is_file(int fd) {
  struct stat s {};
  return ::fstat(fd, &s) == 0 && S_ISREG(s.st_mode);
}

bool is_pipe(int fd) {
  struct stat s {};
  return ::fstat(fd, &s) == 0 && S_ISFIFO(s.st_mode);
}

/// A read here waits for no writer. A hang-up counts as readable: it is the end.
bool is_readable(int fd) {
  pollfd readable{fd, POLLIN, 0};
  return ::poll(&readable, 1, 0) > 0;
}

/// A descriptor of our own for the same pipe, terminal, file or socket. Pipes get a description of
/// our own too, so that O_NONBLOCK is seen by nobody else.
runtime::unique_fd own(int fd) {
  if (is_pipe(fd)) {
    const auto path = "/proc/self/fd/" + std::to_string(fd);
    runtime::unique_fd mine{::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC)};
    if (mine)
      return mine;
  }
  return runtime::unique_fd{::fcntl(fd, F_DUPFD_CLOEXEC, 3)};
}

} // namespace

void line_stream::open(const std::string& path) {
  // O_NONBLOCK: opening a FIFO waits for no writer. The description is ours alone.
  fd_ = runtime::unique_fd{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)};
  if (!fd_)
    throw std::system_error(errno, std::generic_category(), path);
  file_ = is_file(fd_.get());
}

void line_stream::open(int standard_input) {
  fd_ = own(standard_input);
  if (!fd_)
    throw std::system_error(errno, std::generic_category(), "standard input");
  file_ = is_file(fd_.get());
}

std::optional<line_stream::line> line_stream::next() {
  while (true) {
    const auto end = buffer_.find('\n', scanned_);
    if (end != std::string::npos)
      return take(end, end + 1);
    scanned_ = buffer_.size();
    if (ended_)
      return ended() ? std::nullopt : take(buffer_.size(), buffer_.size());
    if (scanned_ - at_ > most_bytes_) {
      cut_ = true;
      buffer_.resize(at_ + kept_of_cut);
      scanned_ = buffer_.size();
    }
    if (!fill())
      return std::nullopt;
  }
}

std::optional<line_stream::line> line_stream::take(std::size_t end, std::size_t next) {
  line made;
  made.cut = cut_ || end - at_ > most_bytes_;
  made.text = buffer_.substr(at_, made.cut ? std::min(end - at_, kept_of_cut) : end - at_);
  made.number = ++lines_;
  if (!made.cut && made.text.ends_with('\r'))
    made.text.pop_back();
  at_ = scanned_ = next;
  cut_ = false;
  return made;
}

/// Reads a block. False where nothing is there now.
bool line_stream::fill() {
  if (!file_ && !is_readable(fd_.get()))
    return false;
  buffer_.erase(0, at_);
  scanned_ -= at_;
  at_ = 0;
  const auto had = buffer_.size();
  buffer_.resize(had + block_bytes);
  const auto got = ::read(fd_.get(), buffer_.data() + had, block_bytes);
  const int error = got < 0 ? errno : 0;
  buffer_.resize(had + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
  if (error == EAGAIN || error == EINTR)
    return false;
  ended_ = got <= 0;
  if (error != 0)
    error_ = std::generic_category().message(error);
  return true;
}

} // namespace bulkhead::config
