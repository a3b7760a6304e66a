#include "runtime/ipc/queue_area.hpp"

#include "runtime/system/file_status.hpp"

#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <string>
#include <system_error>

namespace bulkhead::detail {

queue_view::~queue_view() {
  if (base_ != nullptr)
    ::munmap(base_, bytes_);
}

void queue_view::map_anew(const shared_descriptor& file, const runtime::queue_ring& ring) {
  struct stat facts {};
  const bool there = runtime::file_status(file->fd(), facts) == 0
                     && ring.offset <= static_cast<std::uint64_t>(facts.st_size)
                     && ring.bytes <= static_cast<std::uint64_t>(facts.st_size) - ring.offset;
  // Its place comes from shared memory: what lies beyond the file would raise SIGBUS.
  if (!there)
    throw std::runtime_error("queue: its memory is damaged: a process has overwritten it; make a "
                             "new queue");
  void* at = ::mmap(nullptr, ring.bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file->fd(),
                    static_cast<off_t>(ring.offset));
  if (at == MAP_FAILED)
    throw std::system_error(errno, std::generic_category(),
                            "queue: mmap of " + std::to_string(ring.bytes) + " bytes");
  if (base_ != nullptr)
    ::munmap(base_, bytes_);
  base_ = static_cast<std::byte*>(at);
  offset_ = ring.offset;
  bytes_ = ring.bytes;
}

void queue_view::write(std::uint64_t at, std::span<const std::byte> from) noexcept {
  if (from.empty())
    return;
  const auto start = static_cast<std::size_t>(at & (bytes_ - 1));
  const auto first = std::min(from.size(), static_cast<std::size_t>(bytes_) - start);
  std::memcpy(base_ + start, from.data(), first);
  if (first != from.size())
    std::memcpy(base_, from.data() + first, from.size() - first);
}

void queue_view::read(std::uint64_t at, std::span<std::byte> to) const noexcept {
  if (to.empty())
    return;
  const auto start = static_cast<std::size_t>(at & (bytes_ - 1));
  const auto first = std::min(to.size(), static_cast<std::size_t>(bytes_) - start);
  std::memcpy(to.data(), base_ + start, first);
  if (first != to.size())
    std::memcpy(to.data() + first, base_, to.size() - first);
}

} // namespace bulkhead::detail
