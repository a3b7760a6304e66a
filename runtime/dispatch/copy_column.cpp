#include "runtime/dispatch/copy_column.hpp"

#include <bulkhead/detail/large_memory.hpp>
#include <bulkhead/detail/validated.hpp>

#include <cstring>
#include <utility>

// Results of a column, copied out of a worker's ring. The worker may change the ring at any time,
// so no length is believed before it lies in the host's own memory.
namespace bulkhead::runtime {

using detail::validated;
using detail::varying_bytes;

namespace {

// Behind the next result, whose length lies at `at`. Empty: it is not all there.
std::optional<std::size_t> behind_next(std::span<const std::byte> bytes, std::size_t at) noexcept {
  std::uint32_t length = 0;
  if (!validated("column.inside", bytes.size() - at >= sizeof length))
    return std::nullopt;
  std::memcpy(&length, bytes.data() + at, sizeof length);
  at += sizeof length;
  if (!validated("column.inside", length <= bytes.size() - at))
    return std::nullopt;
  return at + length;
}

void keep(detail::result_column& column, std::span<const std::byte> bytes) {
  column.size = bytes.size();
  column.bytes = detail::make_bytes(bytes.size());
  if (!bytes.empty())
    std::memcpy(column.bytes.get(), bytes.data(), bytes.size());
}

// All is copied before a length is looked at.
bool keep_varying(detail::result_column& column, std::span<const std::byte> from,
                  std::uint32_t first) {
  keep(column, from);
  const std::span<const std::byte> copy{column.bytes.get(), column.size};
  std::size_t begin = 0;
  std::size_t end = 0;
  for (std::uint32_t i = 0; i < first + column.items; ++i) {
    if (i == first)
      begin = end;
    const auto next = behind_next(copy, end);
    if (!next)
      return false;
    end = *next;
  }
  // Most of the copy is wanted: it is kept as it is and not copied once more.
  if (begin == 0 && end > from.size() / 2) {
    column.size = end;
    return true;
  }
  const auto whole = std::move(column.bytes); // holds much else
  keep(column, {whole.get() + begin, end - begin});
  return true;
}

} // namespace

std::optional<detail::result_column> copy_column(std::span<const std::byte> from,
                                                 std::uint32_t width, std::uint32_t first,
                                                 std::uint32_t last) {
  if (!validated("column.inside", first <= last))
    return std::nullopt;
  detail::result_column column;
  column.items = last - first;
  if (width == varying_bytes) {
    if (!keep_varying(column, from, first))
      return std::nullopt;
    return column;
  }
  column.width = width;
  const auto begin = std::uint64_t{width} * first;
  const auto end = std::uint64_t{width} * last;
  if (!validated("column.inside", end <= from.size()))
    return std::nullopt;
  keep(column, from.subspan(begin, end - begin));
  return column;
}

} // namespace bulkhead::runtime
