// A task library: what is in an archive of a stranger, in any of the many forms that libarchive
// reads.
//
//     bulkhead run examples/archives/archives.json

#include <bulkhead/task.hpp>

#include <archive.h>
#include <archive_entry.h>

#include <array>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>

namespace {

/// A bomb unpacks to more than anybody wants to look at.
constexpr std::uint64_t most_bytes = 16 << 20;

struct closes {
  void operator()(archive* a) const { archive_read_free(a); }
};

std::uint64_t bytes_of_entry(archive* from) {
  std::array<char, 16384> piece;
  std::uint64_t bytes = 0;
  for (;;) {
    const auto count = archive_read_data(from, piece.data(), piece.size());
    if (count < 0)
      throw std::runtime_error(archive_error_string(from));
    if (count == 0)
      return bytes;
    bytes += static_cast<std::uint64_t>(count);
    if (bytes > most_bytes)
      throw std::runtime_error("it unpacks to more than 16 MiB");
  }
}

std::string contents(const std::string& file) {
  const std::unique_ptr<archive, closes> from{archive_read_new()};
  archive_read_support_filter_all(from.get());
  archive_read_support_format_all(from.get());
  if (archive_read_open_filename(from.get(), file.c_str(), 16384) != ARCHIVE_OK)
    throw std::runtime_error(archive_error_string(from.get()));
  std::string all;
  archive_entry* entry = nullptr;
  int result = 0;
  while ((result = archive_read_next_header(from.get(), &entry)) == ARCHIVE_OK) {
    const std::string name = archive_entry_pathname(entry);
    all +=
      (all.empty() ? "" : ", ") + name + " (" + std::to_string(bytes_of_entry(from.get())) + ")";
  }
  if (result != ARCHIVE_EOF)
    throw std::runtime_error(archive_error_string(from.get()));
  return all;
}

} // namespace

BULKHEAD_TASK("archives.contents", contents)
