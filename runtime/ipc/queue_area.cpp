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

queue_area::~queue_area() {
  if (base != nullptr)
    ::munmap(base, bytes);
}

void queue_area::map_anew(const runtime::queue_state& s) {
  struct stat facts {};
  const bool there = runtime::file_status(file->fd(), facts) == 0
                     && s.offset <= static_cast<std::uint64_t>(facts.st_size)
                     && s.bytes <= static_cast<std::uint64_t>(facts.st_size) - s.offset;
  // The state comes from shared memory: what lies beyond the file would raise SIGBUS.
  if (!there)
    throw std::runtime_error("queue: its memory is damaged: a process has overwritten it; make a "
                             "new queue");
  void* at = ::mmap(nullptr, s.bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file->fd(),
                    static_cast<off_t>(s.offset));
  if (at == MAP_FAILED)
    throw std::system_error(errno, std::generic_category(),
                            "queue: mmap of " + std::to_string(s.bytes) + " bytes");
  if (base != nullptr)
    ::munmap(base, bytes);
  base = static_cast<std::byte*>(at);
  offset = s.offset;
  bytes = s.bytes;
}

void queue_area::write(std::uint64_t at, std::span<const std::byte> from) noexcept {
  if (from.empty())
    return;
  const auto start = static_cast<std::size_t>(at & (bytes - 1));
  const auto first = std::min(from.size(), static_cast<std::size_t>(bytes) - start);
  std::memcpy(base + start, from.data(), first);
  if (first != from.size())
    std::memcpy(base, from.data() + first, from.size() - first);
}

void queue_area::read(std::uint64_t at, std::span<std::byte> to) const noexcept {
  if (to.empty())
    return;
  const auto start = static_cast<std::size_t>(at & (bytes - 1));
  const auto first = std::min(to.size(), static_cast<std::size_t>(bytes) - start);
  std::memcpy(to.data(), base + start, first);
  if (first != to.size())
    std::memcpy(to.data() + first, base, to.size() - first);
}

} // namespace bulkhead::detail
