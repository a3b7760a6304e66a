#include "engine/wire/messages.hpp"

#include <bulkhead/detail/item_run.hpp>

#include <cstring>

namespace bulkhead::engine {

namespace {

constexpr std::uint32_t most_tasks = 1U << 20;

// Skips items that have their lengths before them. False: they are not all there.
bool skip_items(std::span<const std::byte>& rest, std::uint32_t count) noexcept {
  for (std::uint32_t i = 0; i < count; ++i) {
    std::uint32_t length = 0;
    if (rest.size() < sizeof length)
      return false;
    std::memcpy(&length, rest.data(), sizeof length);
    rest = rest.subspan(sizeof length);
    if (rest.size() < length)
      return false;
    rest = rest.subspan(length);
  }
  return true;
}

} // namespace

message_kind kind_of(std::span<const std::byte> packed) noexcept {
  message_kind kind{};
  if (packed.size() >= sizeof kind)
    std::memcpy(&kind, packed.data(), sizeof kind);
  return kind;
}

bool sound(std::span<const task_range> ranges, std::uint64_t most) noexcept {
  std::uint64_t last = 0;
  for (const auto& r : ranges) {
    if (r.count == 0 || r.count > most || r.first < last || r.first == 0
        || r.first > UINT64_MAX - r.count)
      return false;
    most -= r.count;
    last = r.end();
  }
  return true;
}

bool sound(const piece& p) noexcept {
  const task_range tasks{p.first, p.count};
  if (!sound({&tasks, 1}, most_tasks) || p.callable_bytes > p.body.size())
    return false;
  auto rest = std::span{p.body}.subspan(p.callable_bytes);
  if (p.item_bytes != detail::varying_bytes)
    return rest.size() == std::uint64_t{p.item_bytes} * p.count;
  std::span<const std::byte> left = rest;
  return skip_items(left, p.count) && left.empty();
}

bool sound(const outcome_run& run) noexcept {
  if (!sound({&run.tasks, 1}, most_tasks))
    return false;
  switch (run.kind) {
  case run_kind::values: {
    std::span<const std::byte> left{run.bytes};
    return skip_items(left, run.tasks.count) && left.empty();
  }
  case run_kind::failure:
    return run.tasks.count == 1;
  case run_kind::not_begun:
    return run.bytes.empty();
  }
  return false;
}

piece part_of(const piece& p, std::uint32_t skip, std::uint32_t count) {
  piece part{p.first + skip,
             count,
             p.stub,
             p.loop,
             p.item_bytes,
             p.result_bytes,
             p.callable_bytes,
             p.timeout_ns,
             p.soft_timeout_ns,
             p.priority,
             {}};
  const std::span<const std::byte> all{p.body};
  auto rest = all.subspan(p.callable_bytes);
  std::size_t length = 0;
  if (p.item_bytes != detail::varying_bytes) {
    rest = rest.subspan(std::size_t{p.item_bytes} * skip);
    length = std::size_t{p.item_bytes} * count;
  } else {
    skip_items(rest, skip);
    auto behind = rest;
    skip_items(behind, count);
    length = rest.size() - behind.size();
  }
  part.body.reserve(p.callable_bytes + length);
  part.body.insert(part.body.end(), all.begin(), all.begin() + p.callable_bytes);
  part.body.insert(part.body.end(), rest.begin(),
                   rest.begin() + static_cast<std::ptrdiff_t>(length));
  return part;
}

} // namespace bulkhead::engine
