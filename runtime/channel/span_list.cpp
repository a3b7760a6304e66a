#include "runtime/channel/span_list.hpp"

#include "runtime/channel/channel_layout.hpp"

#include <algorithm>
#include <cstring>

namespace bulkhead::runtime {

namespace {

/// Before each name, which is filled up to a multiple of 8 bytes.
struct span_header {
  std::uint64_t task;
  std::int64_t began; ///< CLOCK_MONOTONIC ns
  std::int64_t took;  ///< ns
  std::uint32_t name_bytes;
  std::uint32_t reserved;
};
static_assert(sizeof(span_header) == 32);

constexpr std::int64_t longest = INT64_C(1) << 50; ///< some days

} // namespace

bool add_span(detail::buffer& to, const detail::task_span& s) {
  const auto name = s.name.substr(0, longest_span_name);
  const auto padded = round_up_8(name.size());
  if (to.size() + sizeof(span_header) + padded > most_span_bytes)
    return false;
  const span_header h{s.task, std::chrono::nanoseconds(s.began.time_since_epoch()).count(),
                      std::chrono::nanoseconds(s.took).count(),
                      static_cast<std::uint32_t>(name.size()), 0};
  constexpr char zeros[8]{};
  to.append(&h, sizeof h);
  to.append(name.data(), name.size());
  to.append(zeros, padded - name.size());
  return true;
}

bool read_spans(std::span<const std::byte> from, std::vector<detail::task_span>& to) {
  if (from.empty() || from.size() > most_span_bytes)
    return false;
  while (!from.empty()) {
    span_header h;
    if (from.size() < sizeof h)
      return false;
    std::memcpy(&h, from.data(), sizeof h);
    from = from.subspan(sizeof h);
    if (h.name_bytes > longest_span_name || round_up_8(h.name_bytes) > from.size() || h.took < 0
        || h.took > longest || h.began < 0 || h.began > INT64_MAX - longest)
      return false;
    detail::task_span s;
    s.task = h.task;
    s.name = {reinterpret_cast<const char*>(from.data()), h.name_bytes};
    s.began = std::chrono::steady_clock::time_point{std::chrono::nanoseconds{h.began}};
    s.took = std::chrono::nanoseconds{h.took};
    to.push_back(s);
    from = from.subspan(round_up_8(h.name_bytes));
  }
  return true;
}

} // namespace bulkhead::runtime
