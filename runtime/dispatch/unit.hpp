#pragma once

#include <bulkhead/detail/function_ref.hpp>
#include <bulkhead/detail/onlooker.hpp>
#include <bulkhead/detail/task_sink.hpp>

#include <chrono>
#include <cstdint>
#include <memory>

namespace bulkhead::runtime {

struct worker_slot;

using clock = std::chrono::steady_clock;
using time_point = clock::time_point;

/// One unit of work inside the pool: a ledger entry. It is queued, or sent to one worker, or done
/// and gone; guarded by the pool's lock.
struct unit {
  unit() = default;
  unit(const unit&) = delete;
  unit& operator=(const unit&) = delete;
  ~unit() {
    if (twin != nullptr)
      twin->twin = nullptr;
  }

  detail::function_ref stub;
  detail::function_ref loop; ///< as in detail::work
  detail::buffer body;
  std::uint32_t callable_bytes = 0;
  std::uint32_t item_bytes = detail::varying_bytes;   ///< of each item's arguments
  std::uint32_t result_bytes = detail::varying_bytes; ///< of each item's result
  std::uint32_t items = 0;
  std::uint64_t first_item = 0;
  std::shared_ptr<detail::task_sink> sink;
  std::shared_ptr<const task_options> options; ///< null: the pool's defaults

  std::uint64_t id = 0; ///< of the first item; items are numbered on
  std::uint32_t attempt = 1;
  std::uint32_t deaths = 0; ///< workers that died running it
  std::uint32_t losses = 0; ///< workers that ended with it first in their hands and not begun
  time_point deadline = time_point::max();
  time_point queued{}; ///< when it came to wait; {}: nobody looked on
  time_point sent{};   ///< when it was sent to `worker`; {}: nobody looked on

  worker_slot* worker = nullptr; ///< where it was sent; null while queued
  std::uint64_t sequence = 0;    ///< of its frame there
  bool gathers = false;          ///< tasks that were submitted alone; others may join them
  bool cancel_wanted = false;    ///< ends as cancelled if it comes back
  time_point refused_since{};    ///< the system refuses what it takes to send it; {}: it does not
  bool expired = false;          ///< its deadline passed: ends as a time-out if it comes back
  bool kill_wanted = false;      ///< stop requested; its worker dies after the grace
  const worker_slot* died_with = nullptr; ///< its worker died; its outcome is being prepared
  std::uint32_t hit_item = 0;             ///< that ran then; items: all of them may have run
  std::size_t pinned_worker = 0;          ///< worker id, for broadcast and key_hash; 0: any
  unit* twin = nullptr;                   ///< the other run of a hedged task, while both go on
  bool hedged = false;                    ///< has, or had, a twin

  int list_priority = 0;    ///< of the backlog's list that holds it
  std::size_t lane = 0;     ///< of the backlog, where it waits
  std::int64_t order = 0;   ///< of its arrival there; who comes back is before all others
  unit* previous = nullptr; ///< in the list that holds it
  unit* following = nullptr;

  std::size_t bytes() const noexcept { return body.size(); }
};

/// Which function its items call.
detail::called what_calls(const unit& u) noexcept;

/// A unit of `count` items of `u`, from `first` on: the same call, limits and attempt. Throws
/// std::bad_alloc.
std::unique_ptr<unit> slice(const unit& u, std::uint32_t first, std::uint32_t count);

/// Cuts the items from `first` on off into a unit of their own. Throws std::bad_alloc before
/// anything has changed.
std::unique_ptr<unit> split(unit& u, std::uint32_t first);

/// A list of units through their own links; owns them.
class unit_list {
public:
  unit_list() noexcept = default;
  unit_list(const unit_list&) = delete;
  unit_list& operator=(const unit_list&) = delete;
  ~unit_list();

  bool empty() const noexcept { return first_ == nullptr; }
  unit* front() const noexcept { return first_; }
  void push_back(std::unique_ptr<unit> u) noexcept;
  void push_front(std::unique_ptr<unit> u) noexcept;
  void insert_behind(unit& before, std::unique_ptr<unit> u) noexcept;
  std::unique_ptr<unit> remove(unit& u) noexcept;
  std::unique_ptr<unit> pop_front() noexcept { return remove(*first_); }
  std::unique_ptr<unit> pop_back() noexcept { return remove(*last_); }

private:
  unit* first_ = nullptr;
  unit* last_ = nullptr;
};

} // namespace bulkhead::runtime
