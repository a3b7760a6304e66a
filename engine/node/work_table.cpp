#include "engine/node/work_table.hpp"

#include <utility>

namespace bulkhead::engine {

held_piece* patron::find(std::uint64_t task) noexcept {
  auto after = pieces.upper_bound(task);
  if (after == pieces.begin())
    return nullptr;
  auto& p = std::prev(after)->second;
  return task - p.content.first < p.content.count ? &p : nullptr;
}

bool patron::overlaps(task_range tasks) const noexcept {
  auto after = pieces.lower_bound(tasks.end());
  if (after == pieces.begin())
    return false;
  const auto& p = std::prev(after)->second;
  return p.content.first + p.content.count > tasks.first;
}

std::shared_ptr<held_batch> decide(held_piece& p) noexcept {
  auto batch = std::move(p.batch);
  if (batch && batch->undecided != 0 && --batch->undecided == 0)
    return batch;
  return nullptr;
}

} // namespace bulkhead::engine
