#pragma once

#include "runtime/system/unique_fd.hpp"

#include <cstddef>
#include <utility>

namespace bulkhead::runtime {

/// A memfd that may be sealed and never executed, above stdio. Empty with errno on failure.
unique_fd open_memfd(const char* name) noexcept;

/// Makes the pages of `bytes` from `from` on exist. 0 or errno.
int fill_memfd(int fd, std::size_t from, std::size_t bytes) noexcept;

/// A memfd of fixed size, mapped here: a head, then a ring that is mapped twice in a row, so that
/// what wraps around its end is contiguous. Sealed against resizing; all pages exist from the
/// start, so no access raises SIGBUS. Not inherited by fork (MADV_DONTFORK).
class segment {
public:
  enum class access { read_only, read_write };

  segment() noexcept = default;
  segment(segment&& other) noexcept { swap(other); }
  segment& operator=(segment&& other) noexcept {
    segment{std::move(other)}.swap(*this);
    return *this;
  }
  ~segment();

  /// Makes a segment. `head_bytes` and `ring_bytes` are multiples of the page size; the ring may
  /// be empty. With read_only this process maps it without write access and the peer writes.
  /// Throws std::system_error that names the bytes asked for.
  static segment make(const char* name, std::size_t head_bytes, std::size_t ring_bytes, access own);

  /// Maps a segment that a peer made. The descriptor is taken over.
  static segment attach(unique_fd fd, std::size_t head_bytes, std::size_t ring_bytes, access own);

  /// From now on nobody can make a writable mapping; this process keeps the one it has.
  void seal_writes();

  std::byte* head() const noexcept { return base_; }
  std::byte* ring() const noexcept { return base_ + head_bytes_; }
  std::size_t head_bytes() const noexcept { return head_bytes_; }
  std::size_t ring_bytes() const noexcept { return ring_bytes_; }
  int fd() const noexcept { return fd_.get(); }
  void close_fd() noexcept { fd_.reset(); }

private:
  void map(access own);
  void swap(segment& other) noexcept {
    std::swap(fd_, other.fd_);
    std::swap(base_, other.base_);
    std::swap(head_bytes_, other.head_bytes_);
    std::swap(ring_bytes_, other.ring_bytes_);
  }

  unique_fd fd_;
  std::byte* base_ = nullptr;
  std::size_t head_bytes_ = 0;
  std::size_t ring_bytes_ = 0;
};

} // namespace bulkhead::runtime
