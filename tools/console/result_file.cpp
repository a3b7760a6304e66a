#include "tools/console/result_file.hpp"

#include "tools/console/write_out.hpp"
#include "tools/text/shown.hpp"

#include <bulkhead/error.hpp>

#include <cerrno>
#include <system_error>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace bulkhead::command {

bool result_file::open() {
  if (!wanted() || fd_ >= 0 || !error_.empty())
    return true;
  if (to_.path == "-") {
    fd_ = to_.standard_output;
    if (fd_ < 0)
      fail("standard output is closed");
    return true;
  }
  // O_NONBLOCK: opening a FIFO waits for no reader. The description is ours alone.
  const int place = to_.append ? O_APPEND : 0;
  file_ = runtime::unique_fd{
    ::open(to_.path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | place, 0666)};
  if (!file_ && errno == ENXIO)
    return false;
  if (!file_)
    throw std::system_error(errno, std::generic_category(), to_.path);
  take_file();
  fd_ = file_.get();
  return true;
}

/// Jobs that append may share a file, since each line is written as a whole. One that replaces what
/// is there has it for itself, and empties it only then.
void result_file::take_file() {
  struct stat s {};
  if (::fstat(file_.get(), &s) != 0 || !S_ISREG(s.st_mode))
    return;
  // File systems without locks are no reason to refuse.
  if (::flock(file_.get(), (to_.append ? LOCK_SH : LOCK_EX) | LOCK_NB) != 0 && errno == EWOULDBLOCK)
    throw config_error("output is " + config::printable(to_.path)
                       + ", which another job writes; wait for it, or choose another file");
  if (!to_.append && ::ftruncate(file_.get(), 0) != 0)
    throw std::system_error(errno, std::generic_category(), to_.path);
}

void result_file::check() {
  struct stat s {};
  if (file_ && error_.empty() && ::fstat(fd_, &s) == 0 && s.st_nlink == 0)
    fail(config::printable(to_.path) + " was removed while the job ran");
}

void result_file::put(std::uint64_t index, const config::json& line) {
  auto text = line.dump(-1, ' ', false, config::json::error_handler_t::replace);
  if (!to_.ordered)
    return append(text);
  if (index != next_) {
    early_.emplace(index, std::move(text));
    return;
  }
  append(text);
  for (++next_; !early_.empty() && early_.begin()->first == next_; ++next_) {
    append(early_.begin()->second);
    early_.erase(early_.begin());
  }
}

void result_file::append(const std::string& line) {
  if (!error_.empty())
    return;
  buffer_ += line;
  buffer_ += '\n';
}

void result_file::fail(const std::string& why) {
  error_ = why;
  buffer_.clear();
}

void result_file::flush() {
  std::size_t done = 0;
  while (fd() >= 0 && done < buffer_.size()) {
    const auto written = write_some(fd_, std::string_view(buffer_).substr(done));
    if (written < 0)
      return fail(std::system_category().message(errno));
    if (written == 0)
      break;
    done += static_cast<std::size_t>(written);
  }
  buffer_.erase(0, done);
}

void result_file::release() {
  for (const auto& [index, line] : early_)
    append(line);
  early_.clear();
}

} // namespace bulkhead::command
