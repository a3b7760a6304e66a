#pragma once

#include <chrono>
#include <cstddef>

namespace bulkhead::runtime {

/// What guided chunking knows about a map.
struct chunk_facts {
  std::size_t workers = 1;
  std::size_t units_made = 0;           ///< chunks already cut
  std::size_t remaining = 0;            ///< items not yet cut; 0: unknown
  std::chrono::nanoseconds mean_item{}; ///< measured running time; 0: unknown
};

/// How many items the next chunk should hold: about `aim` of running time, less towards the end so
/// that skewed inputs stay balanced (guided self-scheduling, Polychronopoulos and Kuck 1987).
constexpr std::size_t next_chunk(const chunk_facts& facts) noexcept {
  constexpr std::chrono::nanoseconds aim{2'000'000};
  constexpr std::size_t largest = 65'536;
  const auto workers = facts.workers == 0 ? 1 : facts.workers;
  std::size_t count = 1;
  if (facts.mean_item.count() > 0)
    count = static_cast<std::size_t>(aim / facts.mean_item);
  else // grow slowly until the first answers tell
    count = 1 + facts.units_made / (2 * workers);
  count = count > largest ? largest : count;
  if (facts.remaining != 0) {
    const auto fair = 1 + facts.remaining / (4 * workers);
    count = count > fair ? fair : count;
  }
  return count == 0 ? 1 : count;
}

} // namespace bulkhead::runtime
