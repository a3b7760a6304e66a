#include <bulkhead/detail/collect.hpp>
#include <bulkhead/detail/large_memory.hpp>
#include <bulkhead/detail/map_state.hpp>
#include <bulkhead/detail/pool_core.hpp>
#include <bulkhead/error.hpp>

#include <algorithm>
#include <cstring>
#include <new>
#include <string>

// What came of the items of a map, as pieces: columns, or one item. The caller's thread feeds and
// reads, answers come from whoever drains, under the pool's lock. What needs memory is done by the
// feeder beforehand, so that taking an answer cannot fail.
namespace bulkhead::detail {

namespace {

result_column column_of_one(std::span<const std::byte> result) {
  result_column one;
  one.items = 1;
  one.width = one.size = result.size();
  one.bytes = make_bytes(result.size());
  if (!result.empty())
    std::memcpy(one.bytes.get(), result.data(), result.size());
  return one;
}

} // namespace

void raw_outcome::set_value(std::span<const std::byte> result) {
  auto* to = small;
  if (result.size() > small_bytes) {
    large = make_bytes(result.size());
    to = large.get();
  }
  if (!result.empty())
    std::memcpy(to, result.data(), result.size());
  size = result.size();
}

void raw_outcome::set_value(const buffer& result) {
  if (result.descriptors() != nullptr)
    descriptors = std::make_unique<descriptor_list>(*result.descriptors());
  set_value(result.bytes());
}

std::uint64_t map_state::add_items(std::size_t count) {
  const auto first = size_;
  std::lock_guard lock{mutex_};
  if (const auto all = size_ + count; all > pieces_.capacity())
    pieces_.reserve(std::max(all, 2 * pieces_.capacity())); // memory that is not used costs nothing
  size_ += count; // last: nobody answers for items that were not announced
  return first;
}

void map_state::seal() {
  // seq_cst on both: either keep_piece sees what is expected, or we see all done.
  expected_.store(size_, std::memory_order_seq_cst);
  if (done_.load(std::memory_order_seq_cst) == size_)
    finish();
}

const std::vector<map_piece>& map_state::pieces() {
  std::lock_guard lock{mutex_}; // several threads may ask for the outcome
  const auto by_first = [](const map_piece& a, const map_piece& b) { return a.first < b.first; };
  if (!std::is_sorted(pieces_.begin(), pieces_.end(), by_first))
    std::sort(pieces_.begin(), pieces_.end(), by_first);
  return pieces_;
}

void map_state::on_value(std::uint64_t item, std::span<const std::byte> result) noexcept {
  take_one(item, result, nullptr);
}

void map_state::on_large_value(std::uint64_t item, buffer&& result) noexcept {
  take_one(item, result.bytes(), result.descriptors());
}

void map_state::take_one(std::uint64_t item, std::span<const std::byte> result,
                         const descriptor_list* descriptors) noexcept {
  map_piece piece;
  piece.first = item;
  try {
    piece.results = column_of_one(result);
    if (descriptors != nullptr)
      piece.descriptors = std::make_unique<descriptor_list>(*descriptors);
  } catch (const std::bad_alloc&) {
    return on_failure(item, undecodable_result());
  }
  keep_piece(std::move(piece), 1);
}

void map_state::on_column(std::uint64_t first, result_column&& results) noexcept {
  const std::size_t items = results.items;
  keep_piece({first, std::move(results), {}, nullptr}, items);
}

void map_state::on_failure(std::uint64_t item, failure&& f) noexcept {
  keep_piece({item, {}, keep(std::move(f)), nullptr}, 1);
}

std::pair<std::size_t, std::size_t> map_state::counts() {
  const std::lock_guard lock{mutex_};
  return {done(), size_};
}

void map_state::tell_progress(std::shared_ptr<future_core> core,
                              std::function<void(std::size_t, std::size_t)> tell) {
  core->expect_callbacks();
  tell_ = std::make_shared<const std::function<void(std::size_t, std::size_t)>>(std::move(tell));
  teller_ = std::move(core);
}

// What there is no memory to tell is told with the next items, and the end in any case.
void map_state::tell(std::size_t done, std::size_t all) noexcept try {
  std::list<std::function<void()>> call;
  call.emplace_back([to = tell_, done, all] { (*to)(done, all); });
  teller_->call_back_locked(std::move(call));
} catch (const std::bad_alloc&) {
}

void map_state::keep_piece(map_piece&& piece, std::size_t items) noexcept {
  bool due = false;
  std::size_t all = 0;
  {
    std::lock_guard lock{mutex_};
    pieces_.push_back(std::move(piece)); // add_items made room
    if (teller_) {
      const auto now = std::chrono::steady_clock::now();
      due = now >= next_telling_;
      next_telling_ = due ? now + between_tellings : next_telling_;
      all = size_;
    }
  }
  // seq_cst: the count, then the look at what is awaited; who awaits stores that, then looks at the
  // count.
  const auto now = done_.fetch_add(items, std::memory_order_seq_cst) + items;
  if (due)
    tell(now, all);
  if (now == expected_.load(std::memory_order_seq_cst))
    finish();
}

void map_state::finish() noexcept {
  // The feeder and the last answer may both come here; acq_rel: the second one touches nothing.
  if (finished_.exchange(true, std::memory_order_acq_rel))
    return;
  latch_.set();
  // Behind the latch, so that whoever wakes by either finds the map ready.
  if (const auto f = std::exchange(dependent_, {}).lock())
    f->finish();
}

void imap_state::on_value(std::uint64_t item, std::span<const std::byte> result) noexcept {
  take(item, result);
}

void imap_state::on_large_value(std::uint64_t item, buffer&& result) noexcept {
  take(item, result);
}

template <class Result>
void imap_state::take(std::uint64_t item, const Result& result) noexcept {
  raw_outcome r;
  try {
    r.set_value(result);
  } catch (const std::bad_alloc&) {
    r.failed = keep(undecodable_result());
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
  // A node for each outcome that will come: put() only moves it, and needs no memory.
  room_.splice(room_.end(), more);
}

void imap_state::put(std::uint64_t item, raw_outcome&& r) noexcept {
  std::lock_guard lock{mutex_};
  auto node = room_.front().extract(room_.front().begin());
  room_.pop_front();
  node.key() = item;
  node.mapped() = std::move(r);
  ready_.insert(std::move(node));
  // An item that is not next wakes nobody in an ordered map.
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

time_point deadline_of(const map_options& options) {
  if (options.timeout.count() < 0)
    throw config_error("map_options::timeout is " + std::to_string(options.timeout.count())
                       + " ns; allowed: 0 ns (none) or more");
  return options.timeout.count() == 0 ? time_point::max() : deadline_after(options.timeout);
}

void refuse_timeout(const map_options& options) {
  if (options.timeout.count() != 0)
    throw config_error("map_options::timeout has no effect on map_async and starmap_async, which "
                       "do not wait: leave it out and use get(timeout) of the future");
}

void throw_no_result_in_time(std::uint64_t delivered) {
  throw timeout_error("the next result was not there in time; " + std::to_string(delivered)
                      + " were delivered before");
}

namespace {

/// False: the deadline came first.
bool wait_and_tell(pool_core& core, map_state& state,
                   const std::function<void(std::size_t, std::size_t)>& tell, time_point deadline) {
  auto told = SIZE_MAX;
  while (!core.wait(state.latch(), std::min(deadline, deadline_after(between_tellings)))) {
    if (const auto done = state.done(); done != told) {
      told = done;
      tell(done, state.size());
    }
    if (std::chrono::steady_clock::now() >= deadline)
      return false;
  }
  tell(state.size(), state.size());
  return true;
}

} // namespace

void wait_for_map(pool_core& core, map_state& state, const map_options& options,
                  time_point deadline) {
  try {
    if (options.on_progress ? wait_and_tell(core, state, options.on_progress, deadline)
                            : core.wait(state.latch(), deadline))
      return;
  } catch (...) {
    core.cancel_all(state); // nobody waits for the rest
    throw;
  }
  const auto [done, all] = state.counts();
  core.cancel_all(state);
  throw timeout_error("map_options::timeout of " + std::to_string(options.timeout.count())
                      + " ns has passed with " + std::to_string(done) + " of " + std::to_string(all)
                      + " items done; what had not begun is cancelled");
}

} // namespace bulkhead::detail
