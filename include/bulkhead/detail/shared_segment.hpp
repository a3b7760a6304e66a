#pragma once

#include <bulkhead/descriptor.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

namespace bulkhead::detail {

/// Memory that several processes map: a memfd without a name in the file system, complete from the
/// start, so that no access raises SIGBUS, and sealed against another size. Copies share the
/// mapping; the memory goes with the last mapping and descriptor in any process. Unlike the
/// library's own segments it is there in a forked copy, too. The const members are thread-safe.
class shared_segment {
public:
  /// frozen: nobody can write to the memory, whoever made it included.
  enum class access : std::uint8_t { read_only, read_write, frozen };

  shared_segment() noexcept = default;

  /// Zeros. `name` is what /proc shows. Throws too_large where the system has no such memory,
  /// std::system_error for other refusals.
  static shared_segment make(const char* name, std::size_t bytes);

  /// Maps what came from another process, at least `least` bytes of it. Throws codec_error where
  /// it is no such memory, std::system_error where it cannot be mapped.
  static shared_segment attach(shared_descriptor from, std::size_t least, access wanted);

  /// From now on nobody can map it writable; the mappings that exist stay as they are.
  void seal() const;
  /// The same memory, to which nobody can write any more. The one that is given must be the only
  /// mapping of it anywhere, and ends. Throws std::system_error.
  static shared_segment freeze(shared_segment writable);
  /// A mapping of the same memory that this process cannot write through.
  shared_segment read_only() const;
  /// The mapping stays until the process ends.
  void keep() noexcept { static_cast<void>(new std::shared_ptr<const mapping>(mapping_)); }

  std::byte* data() const noexcept;
  std::size_t size() const noexcept;
  const shared_descriptor& file() const noexcept;
  long use_count() const noexcept { return mapping_.use_count(); }
  explicit operator bool() const noexcept { return mapping_ != nullptr; }

private:
  struct mapping;
  static shared_segment map(shared_descriptor file, std::size_t bytes, access wanted);

  std::shared_ptr<const mapping> mapping_;
};

/// How many frozen ones this process maps now, and their bytes.
std::pair<std::uint64_t, std::uint64_t> blobs_held() noexcept;

/// The descriptor; what lies in the memory is the reader's business.
inline void write_segment(buffer& out, const shared_segment& value) {
  coder<shared_descriptor>::write(out, value ? value.file() : nullptr);
}

/// Null for one that was empty.
inline shared_segment read_segment(
  reader& in, std::size_t least,
  shared_segment::access wanted = shared_segment::access::read_write) {
  auto file = coder<shared_descriptor>::read(in);
  return file ? shared_segment::attach(std::move(file), least, wanted) : shared_segment{};
}

} // namespace bulkhead::detail
