#include "tools/command/result_file.hpp"

#include "tools/command/write_out.hpp"

#include <cerrno>
#include <system_error>

#include <fcntl.h>
#include <unistd.h>

namespace bulkhead::command {

namespace {

constexpr std::size_t written_at_once = std::size_t{1} << 16;

} // namespace

result_file::result_file(const std::string& path, bool ordered) : ordered_(ordered) {
  if (path == "-")
    fd_ = STDOUT_FILENO;
  if (path.empty() || path == "-")
    return;
  file_ = runtime::unique_fd{::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666)};
  if (!file_)
    throw std::system_error(errno, std::generic_category(), path);
  fd_ = file_.get();
}

void result_file::put(std::uint64_t index, const config::json& line) {
  auto text = line.dump(-1, ' ', false, config::json::error_handler_t::replace);
  if (!ordered_)
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
  buffer_ += line;
  buffer_ += '\n';
  if (buffer_.size() >= written_at_once)
    flush();
}

void result_file::flush() {
  if (error_.empty() && wanted() && !write_out(fd_, buffer_))
    error_ = std::system_category().message(errno);
  buffer_.clear();
}

void result_file::finish() {
  for (const auto& [index, line] : early_)
    append(line);
  early_.clear();
  flush();
}

} // namespace bulkhead::command
