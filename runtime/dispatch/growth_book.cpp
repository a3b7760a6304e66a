#include "runtime/dispatch/growth_book.hpp"

#include <algorithm>
#include <new>

namespace bulkhead::runtime {

namespace {

std::int64_t bounded_sum(std::int64_t a, std::int64_t b) noexcept {
  std::int64_t sum = 0;
  return __builtin_add_overflow(a, b, &sum) ? a : sum;
}

} // namespace

void growth_book::add(const detail::called& what, const figures& more) noexcept try {
  auto found =
    std::find_if(rows_.begin(), rows_.end(), [&](const auto& r) { return r.what == what; });
  if (found == rows_.end()) {
    if (rows_.size() == most_rows)
      return;
    rows_.push_back({what});
    found = rows_.end() - 1;
  }
  ++found->calls;
  for (std::size_t i = 0; i < more.size(); ++i)
    found->sums[i] = bounded_sum(found->sums[i], more[i]);
} catch (const std::bad_alloc&) { // figures go first
}

std::vector<task_growth> named_growth(const std::vector<growth_book::row>& rows) {
  std::vector<task_growth> named;
  named.reserve(rows.size());
  for (const auto& row : rows)
    named.push_back({detail::name_of(row.what), row.calls, row.sums[0], row.sums[1], row.sums[2]});
  std::sort(named.begin(), named.end(),
            [](const auto& a, const auto& b) { return a.memory_bytes > b.memory_bytes; });
  return named;
}

} // namespace bulkhead::runtime
