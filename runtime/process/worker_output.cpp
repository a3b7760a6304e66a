#include "runtime/process/worker_output.hpp"

#include "runtime/outcome/failure_wire.hpp"
#include "runtime/system/system_text.hpp"
#include "runtime/this_process/own_process.hpp"

#include <fcntl.h>
#include <limits.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

// The output of one worker: a pipe that the runtime thread reads, and any thread that wants the
// tail. The mutex guards the lines. The host's stderr is never waited for: what does not fit is
// dropped and counted.
namespace bulkhead::runtime {

namespace {

constexpr std::size_t turn_bytes = 64 * 1024;
constexpr std::size_t drain_bytes = 256 * 1024;
/// One write of at most PIPE_BUF bytes is not torn apart by other writers to stderr; the note on
/// dropped lines goes in front of the lines of the same write.
constexpr std::size_t note_bytes = 192;
constexpr std::size_t print_bytes = PIPE_BUF - note_bytes;

[[noreturn]] void fail_output(std::string_view call) {
  const int error = errno;
  throw std::system_error(error, std::generic_category(), system_text(call, error));
}

std::string label_of(std::string_view pool, std::uint64_t worker) {
  const std::string name{pool.empty() ? "pool" : pool.substr(0, 64)};
  return '[' + printable(name) + '/' + std::to_string(worker) + "] ";
}

} // namespace

worker_output::worker_output(output_mode mode, std::string_view pool, std::uint64_t worker,
                             std::shared_ptr<reactor> thread, line_handler on_line)
  : owner_(own_process::identity()), mode_(mode), label_(label_of(pool, worker)),
    reactor_(std::move(thread)), on_line_(std::move(on_line)) {
  std::array<int, 2> ends{-1, -1};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0)
    fail_output("pipe2");
  read_end_.reset(ends[0]);
  write_end_.reset(ends[1]);
  // Each end has a file description of its own: the worker's stays blocking.
  if (::fcntl(read_end_.get(), F_SETFL, O_NONBLOCK) != 0)
    fail_output("fcntl");
  const std::lock_guard lock{mutex_}; // the handler may run before watch() has returned
  watch_ = reactor_->watch(read_end_.get(), EPOLLIN, [this](std::uint32_t) { on_readable(); });
}

worker_output::~worker_output() {
  if (!own_process::is(owner_))
    return;
  reactor_->unwatch(watch_);
  const std::lock_guard lock{mutex_};
  try {
    take_in(drain_bytes);
    lines_.finish_partial([this](std::string_view line) { hear(line); });
    flush_printing();
  } catch (const std::bad_alloc&) {
    printing_.clear(); // the last lines are lost with the memory they needed
  }
}

void worker_output::on_readable() {
  const std::lock_guard lock{mutex_};
  try {
    if (!take_in(turn_bytes)) // an end of file would wake this thread for ever
      reactor_->unwatch(watch_);
  } catch (const std::bad_alloc&) {
    ++dropped_;
  }
}

/// False at the end: no process holds the write end any more.
bool worker_output::take_in(std::size_t most) {
  std::array<char, 16 * 1024> bytes;
  bool open = true;
  while (most > 0) {
    const auto count = ::read(read_end_.get(), bytes.data(), std::min(most, bytes.size()));
    if (count < 0 && errno == EINTR)
      continue;
    if (count <= 0) {
      open = count < 0 && errno == EAGAIN;
      break;
    }
    const auto got = static_cast<std::size_t>(count);
    lines_.feed({bytes.data(), got}, [this](std::string_view line) { hear(line); });
    most -= got;
  }
  flush_printing();
  stderr_.reset(); // the host may redirect it until the next turn
  return open;
}

void worker_output::hear(std::string_view line) {
  if (on_line_)
    on_line_(printable(line));
  print(line);
}

void worker_output::print(std::string_view text) {
  if (mode_ != output_mode::prefix)
    return;
  text = text.substr(0, print_bytes - label_.size() - 1);
  if (printing_.size() + label_.size() + text.size() + 1 > print_bytes)
    flush_printing();
  printing_.append(label_).append(text).append(1, '\n');
}

void worker_output::flush_printing() {
  if (printing_.empty())
    return;
  if (!stderr_)
    stderr_.emplace();
  const auto lines = std::count(printing_.begin(), printing_.end(), '\n');
  const auto untold = dropped_ - told_;
  if (untold != 0)
    printing_.insert(0,
                     label_ + '(' + std::to_string(untold) + " lines dropped: stderr was full)\n");
  if (stderr_->write(printing_))
    told_ = dropped_;
  else
    dropped_ += static_cast<std::uint64_t>(lines);
  printing_.clear();
}

std::string worker_output::tail(std::size_t max) {
  const std::lock_guard lock{mutex_};
  take_in(drain_bytes);
  return printable(lines_.last(max));
}

std::uint64_t worker_output::dropped_lines() const {
  const std::lock_guard lock{mutex_};
  return dropped_;
}

unique_fd open_null_output() {
  unique_fd null{::open("/dev/null", O_WRONLY | O_CLOEXEC)};
  if (!null)
    fail_output("open /dev/null");
  return null;
}

} // namespace bulkhead::runtime
