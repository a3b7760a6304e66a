#include <bulkhead/detail/shared_segment.hpp>

#include "runtime/ipc/memfd.hpp"
#include "runtime/system/file_status.hpp"

#include <bulkhead/error.hpp>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <string>
#include <system_error>
#include <utility>

namespace bulkhead::detail {

namespace {

std::atomic<std::uint64_t> mapped_blobs{0};
std::atomic<std::uint64_t> mapped_bytes{0};

} // namespace

struct shared_segment::mapping {
  mapping(shared_descriptor f, std::byte* at, std::size_t size, bool is_frozen) noexcept
    : file(std::move(f)), data(at), bytes(size), frozen(is_frozen) {
    count(1, bytes);
  }
  mapping(const mapping&) = delete;
  mapping& operator=(const mapping&) = delete;
  ~mapping() {
    ::munmap(data, bytes);
    count(std::uint64_t{0} - 1, std::uint64_t{0} - bytes);
  }

  shared_descriptor file;
  std::byte* data;
  std::size_t bytes;
  bool frozen;

private:
  void count(std::uint64_t blobs, std::uint64_t size) const noexcept {
    if (!frozen)
      return;
    mapped_blobs.fetch_add(blobs, std::memory_order_relaxed); // figures: they order nothing
    mapped_bytes.fetch_add(size, std::memory_order_relaxed);  // as above
  }
};

std::pair<std::uint64_t, std::uint64_t> blobs_held() noexcept {
  return {mapped_blobs.load(std::memory_order_relaxed),  // figures: they order nothing
          mapped_bytes.load(std::memory_order_relaxed)}; // as above
}

shared_segment shared_segment::make(const char* name, std::size_t bytes) {
  if (bytes == 0)
    throw config_error("shared memory of 0 bytes holds nothing; ask for at least one");
  return map(runtime::make_memfd(name, bytes, false), bytes, access::read_write);
}

shared_segment shared_segment::map(shared_descriptor file, std::size_t bytes, access wanted) {
  const int protection = wanted == access::read_write ? PROT_READ | PROT_WRITE : PROT_READ;
  // Before Linux 6.7 a file that is sealed against writing can be mapped in private alone; without
  // a write the pages are the same.
  const int sharing = wanted == access::frozen ? MAP_PRIVATE : MAP_SHARED;
  void* at = ::mmap(nullptr, bytes, protection, sharing, file->fd(), 0);
  if (at == MAP_FAILED)
    throw std::system_error(errno, std::generic_category(),
                            "mmap of " + std::to_string(bytes) + " bytes of shared memory");
  shared_segment made;
  made.mapping_ = std::make_shared<const mapping>(std::move(file), static_cast<std::byte*>(at),
                                                  bytes, wanted == access::frozen);
  return made;
}

shared_segment shared_segment::attach(shared_descriptor from, std::size_t least, access wanted) {
  constexpr int fixed = F_SEAL_SHRINK | F_SEAL_GROW;
  struct stat facts {};
  const int seals = ::fcntl(from->fd(), F_GET_SEALS);
  // A descriptor that came from elsewhere: only a size that nobody can change may be mapped and
  // trusted.
  if (seals < 0 || (seals & fixed) != fixed || runtime::file_status(from->fd(), facts) != 0)
    throw codec_error("what came is no shared memory of this library: its size is not sealed");
  const auto bytes = static_cast<std::size_t>(facts.st_size);
  if (bytes < least)
    throw codec_error("the shared memory that came has " + std::to_string(bytes) + " bytes, "
                      + std::to_string(least) + " are needed");
  if (wanted == access::read_write && (seals & F_SEAL_FUTURE_WRITE) != 0)
    throw codec_error("the shared memory that came was sealed by view() and can no longer be "
                      "mapped writable; send the view, or send the memory before it is sealed");
  // It would become memory of whoever reads it. Our own is complete from the start.
  if (wanted == access::frozen && static_cast<std::uint64_t>(facts.st_blocks) * 512 < bytes)
    throw codec_error("the blob that came says that it has " + std::to_string(bytes)
                      + " bytes, and has memory for "
                      + std::to_string(static_cast<std::uint64_t>(facts.st_blocks) * 512));
  // A liar may have kept a way to write: the kernel refuses the seal while there is one.
  if (wanted == access::frozen && (seals & F_SEAL_WRITE) == 0
      && ::fcntl(from->fd(), F_ADD_SEALS, F_SEAL_WRITE) != 0)
    throw codec_error("the blob that came can still be written to where it was made");
  return map(std::move(from), bytes, wanted);
}

shared_segment shared_segment::freeze(shared_segment writable) {
  const auto file = writable.file();
  const auto bytes = writable.size();
  writable = {}; // the kernel refuses the seal while it is mapped writable
  if (::fcntl(file->fd(), F_ADD_SEALS, F_SEAL_WRITE) != 0)
    throw std::system_error(errno, std::generic_category(), "fcntl(F_SEAL_WRITE)");
  return map(file, bytes, access::frozen);
}

void shared_segment::seal() const {
  if (::fcntl(file()->fd(), F_ADD_SEALS, F_SEAL_FUTURE_WRITE) != 0)
    throw std::system_error(errno, std::generic_category(), "fcntl(F_SEAL_FUTURE_WRITE)");
}

shared_segment shared_segment::read_only() const {
  return map(mapping_->file, mapping_->bytes, access::read_only);
}

std::byte* shared_segment::data() const noexcept { return mapping_ ? mapping_->data : nullptr; }
std::size_t shared_segment::size() const noexcept { return mapping_ ? mapping_->bytes : 0; }
const shared_descriptor& shared_segment::file() const noexcept { return mapping_->file; }

} // namespace bulkhead::detail
