#include "tools/text/source.hpp"

#include "tools/text/units.hpp"
#include "tools/text/utf8.hpp"

#include "runtime/system/unique_fd.hpp"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

namespace bulkhead::config {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view wanted_file = "a readable JSON file of at most 1 MiB";

std::string remedy_for(int error) {
  switch (error) {
  case ENOENT:
    return "check the spelling of the path; it is taken relative to the current directory";
  case EACCES:
    return "make the file readable for this user (chmod u+r)";
  case ELOOP:
    return "the symbolic links form a circle: give the path of the file itself";
  default:
    return "give the path of a file that can be opened";
  }
}

/// Not more than the limit plus one byte, however large the file is or grows.
std::optional<std::string> read_bounded(int fd) {
  std::string text(most_file_bytes + 1, '\0');
  std::size_t size = 0;
  while (size < text.size()) {
    const auto got = ::read(fd, text.data() + size, text.size() - size);
    if (got < 0 && errno == EINTR)
      continue;
    if (got < 0)
      return std::nullopt;
    if (got == 0)
      break;
    size += static_cast<std::size_t>(got);
  }
  text.resize(size);
  return text;
}

/// Reports the first byte that is no text. True where all is well.
bool check_text(const std::string& source, std::string_view text, problems& found) {
  place at{source, 1, 1};
  while (!text.empty()) {
    const auto length = utf8_length(text);
    const auto byte = static_cast<unsigned char>(text[0]);
    if (length == 0 || byte == 0) {
      found.add(
        at, fmt::format("byte 0x{:02x} is {}", byte, byte == 0 ? "a NUL byte" : "not valid UTF-8"),
        "a text file in UTF-8",
        byte == 0 ? "remove the NUL byte; is this a binary file, or UTF-16?"
                  : "save the file as UTF-8 (iconv -f latin1 -t utf-8)");
      return false;
    }
    at.column = byte == '\n' ? 1 : at.column + 1;
    at.line += byte == '\n';
    text.remove_prefix(length);
  }
  return true;
}

} // namespace

std::string kind_of(fs::file_type type) {
  switch (type) {
  case fs::file_type::directory:
    return "a directory";
  case fs::file_type::fifo:
    return "a FIFO";
  case fs::file_type::socket:
    return "a socket";
  case fs::file_type::character:
  case fs::file_type::block:
    return "a device";
  default:
    return "not a regular file";
  }
}

std::optional<std::string> read_source(const fs::path& file, problems& found) {
  const place whole{file.string()};
  const auto refuse = [&](std::string what, std::string remedy) {
    found.add(whole, std::move(what), std::string(wanted_file), std::move(remedy));
    return std::nullopt;
  };
  // O_NONBLOCK: opening a FIFO without a writer must not wait.
  const runtime::unique_fd fd{::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)};
  if (!fd)
    return refuse(fmt::format("cannot be opened: {}", std::strerror(errno)), remedy_for(errno));
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0 || !S_ISREG(status.st_mode)) {
    std::error_code ignored;
    return refuse("is " + kind_of(fs::status(file, ignored).type()),
                  "give the path of the configuration file itself");
  }
  auto text = read_bounded(fd.get());
  if (!text)
    return refuse(fmt::format("cannot be read: {}", std::strerror(errno)), remedy_for(errno));
  if (text->size() > most_file_bytes)
    return refuse(
      fmt::format("is larger than {}", bytes_text(most_file_bytes)),
      "keep long inputs in a file of their own: \"input\": {\"lines\": \"inputs.txt\"}");
  if (text->starts_with("\xEF\xBB\xBF"))
    text->erase(0, 3);
  found.know_text(whole.source, *text);
  if (!check_text(whole.source, *text, found))
    return std::nullopt;
  return text;
}

} // namespace bulkhead::config
