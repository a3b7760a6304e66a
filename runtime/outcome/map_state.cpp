#include <bulkhead/detail/collect.hpp>
#include <bulkhead/detail/map_state.hpp>
#include <bulkhead/detail/pool_core.hpp>

#include <algorithm>
#include <cstring>
#include <new>

namespace bulkhead::detail {

namespace {

failure out_of_memory() noexcept {
  failure f;
  f.kind = failure_kind::too_large;
  f.may_have_executed = true;
  try {
    f.message = "the host has no memory for the result";
  } catch (const std::bad_alloc&) {
    f.message = "no host memory";
  }
  return f;
}

} // namespace

void raw_outcome::set_value(std::span<const std::byte> result) {
  auto* to = small;
  if (result.size() > small_bytes) {
    large.reset(new std::byte[result.size()]);
    to = large.get();
  }
  if (!result.empty())
    std::memcpy(to, result.data(), result.size());
  size = result.size();
}

std::uint64_t map_state::add_items(std::size_t count) {
  const auto first = size_;
  std::lock_guard lock{mutex_};
  while (blocks_.size() * block_size < size_ + count)
    blocks_.push_back(std::make_unique<raw_outcome[]>(block_size));
  size_ += count; // last: nobody answers for items that were not announced
  return first;
}

void map_state::seal() {
  // seq_cst on both: either count_one sees what is expected, or we see all done.
  expected_.store(size_, std::memory_order_seq_cst);
  if (done_.load(std::memory_order_seq_cst) == size_)
    finish();
}

raw_outcome* map_state::block(std::size_t index) {
  std::lock_guard lock{mutex_};
  return blocks_[index / block_size].get();
}

void map_state::on_value(std::uint64_t item, std::span<const std::byte> result) noexcept {
  const auto index = static_cast<std::size_t>(item);
  try {
    block(index)[index % block_size].set_value(result);
  } catch (const std::bad_alloc&) {
    on_failure(item, out_of_memory());
    return;
  }
  count_one();
}

void map_state::on_failure(std::uint64_t item, failure&& f) noexcept {
  const auto index = static_cast<std::size_t>(item);
  auto& slot = block(index)[index % block_size];
  slot.failed = keep(std::move(f));
  count_one();
}

void map_state::count_one() noexcept {
  const auto now = done_.fetch_add(1, std::memory_order_seq_cst) + 1;
  if (now == expected_.load(std::memory_order_seq_cst))
    finish();
}

void map_state::finish() noexcept {
  // The feeder and the last answer may both come here; acq_rel: the second one touches nothing.
  if (finished_.exchange(true, std::memory_order_acq_rel))
    return;
  latch_.set();
  if (const auto f = std::exchange(dependent_, {}).lock())
    f->finish();
}

void imap_state::on_value(std::uint64_t item, std::span<const std::byte> result) noexcept {
  raw_outcome r;
  try {
    r.set_value(result);
  } catch (const std::bad_alloc&) {
    r.failed = keep(out_of_memory());
  }
  put(item, std::move(r));
}

void imap_state::on_failure(std::uint64_t item, failure&& f) noexcept {
  raw_outcome r;
  r.failed = keep(std::move(f));
  put(item, std::move(r));
}

void imap_state::expect(std::size_t count) {
  std::list<outcomes> more;
  for (; count > 0; --count)
    more.emplace_back().emplace(0, raw_outcome{});
  const std::lock_guard lock{mutex_};
  room_.splice(room_.end(), more);
}

void imap_state::put(std::uint64_t item, raw_outcome&& r) noexcept {
  std::lock_guard lock{mutex_};
  auto node = room_.front().extract(room_.front().begin());
  room_.pop_front();
  node.key() = item;
  node.mapped() = std::move(r);
  ready_.insert(std::move(node));
  if (waiting_ && (!ordered_ || item == next_))
    waiting_->set();
}

std::optional<raw_outcome> imap_state::try_pop() {
  std::lock_guard lock{mutex_};
  const auto first = ready_.begin();
  if (first == ready_.end() || (ordered_ && first->first != next_))
    return std::nullopt;
  ++next_;
  return std::move(ready_.extract(first).mapped());
}

std::shared_ptr<event_latch> imap_state::next_latch() {
  std::lock_guard lock{mutex_};
  waiting_ = std::make_shared<event_latch>();
  return waiting_;
}

namespace {

void wait_and_tell(pool_core& core, map_state& state,
                   const std::function<void(std::size_t, std::size_t)>& tell) {
  auto told = SIZE_MAX;
  while (!core.wait(state.latch(), deadline_after(std::chrono::milliseconds{50})))
    if (const auto done = state.done(); done != told) {
      told = done;
      tell(done, state.size());
    }
  tell(state.size(), state.size());
}

} // namespace

void wait_for_map(pool_core& core, map_state& state, const map_options& options) {
  if (!options.on_progress) {
    core.wait(state.latch(), time_point::max());
    return;
  }
  try {
    wait_and_tell(core, state, options.on_progress);
  } catch (...) {
    core.cancel_all(state); // nobody waits for the rest
    throw;
  }
}

} // namespace bulkhead::detail
