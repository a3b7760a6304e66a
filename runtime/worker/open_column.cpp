#include "runtime/worker/open_column.hpp"

#include <algorithm>
#include <cstddef>
#include <cstring>

// A column that is being written, behind the answers that are published. The host may read it at
// any moment, up to the claim: so a result is complete before the next item is claimed, and what
// was written is not moved.
namespace bulkhead::runtime {

namespace {

template <class T>
void store(std::byte* at, std::size_t offset, const T& value) noexcept {
  std::memcpy(at + offset, &value, sizeof value);
}

} // namespace

void open_column::begin(std::byte* at, std::size_t room, position first,
                        std::uint32_t width) noexcept {
  at_ = at;
  room_ = room - sizeof(answer_header);
  bytes_ = 0;
  items_ = 0;
  sized_ = width != detail::varying_bytes;
  // Only what the host may read before the column is published; the rest is for finish().
  store(at_, offsetof(answer_header, kind), answer_kind::column);
  store(at_, offsetof(answer_header, flags), std::uint16_t{0});
  store(at_, offsetof(answer_header, where), first);
}

bool open_column::add(std::span<const std::byte> result) noexcept {
  const auto prefix = sized_ ? 0 : sizeof(std::uint32_t);
  if (result.size() + prefix > room_ - bytes_)
    return false;
  auto* to = at_ + sizeof(answer_header) + bytes_;
  if (!sized_) {
    const auto length = static_cast<std::uint32_t>(result.size());
    std::memcpy(to, &length, sizeof length);
  }
  if (!result.empty())
    std::memcpy(to + prefix, result.data(), result.size());
  bytes_ += prefix + result.size();
  ++items_;
  return true;
}

std::uint32_t open_column::fits(std::uint32_t width) const noexcept {
  if (width == 0 || width == detail::varying_bytes)
    return UINT32_MAX;
  return static_cast<std::uint32_t>(std::min<std::size_t>((room_ - bytes_) / width, UINT32_MAX));
}

void open_column::written(std::uint32_t items, std::size_t bytes) noexcept {
  bytes_ += bytes;
  items_ += items;
}

// The host may be reading the other fields meanwhile: they stay untouched.
std::uint32_t open_column::finish(std::uint64_t ran_ns) noexcept {
  const auto size = static_cast<std::uint32_t>(round_up_8(sizeof(answer_header) + bytes_));
  store(at_, offsetof(answer_header, size), size);
  store(at_, offsetof(answer_header, value), ran_ns);
  store(at_, offsetof(answer_header, bytes), static_cast<std::uint32_t>(bytes_));
  store(at_, offsetof(answer_header, items), items_);
  items_ = 0;
  return size;
}

} // namespace bulkhead::runtime
