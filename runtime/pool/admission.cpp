#include "runtime/pool/worker_pool.hpp"

#include "runtime/outcome/failure_of.hpp"
#include "runtime/pool/run_here.hpp"

#include <bulkhead/error.hpp>

#include <string>
#include <utility>

// How a task enters the pool, and what happens where the backlog is full.
namespace bulkhead::runtime {

worker_pool::entry worker_pool::wait_for_room(pool_turn& turn, const unit& u, detail::admission how,
                                              time_point until) {
  const auto room = [&]() {
    pool_is_locked();
    return state_.queue.has_room(u.items, u.bytes());
  };
  if (room())
    return entry::queued;
  catch_up();
  if (room())
    return entry::queued;
  if (how == detail::admission::try_only)
    return entry::refused;
  if (how == detail::admission::policy && state_.options.on_full != on_full::block)
    return enter_full(u);
  const auto let_in = [&]() {
    pool_is_locked();
    return room() || state_.ended() || state_.closed;
  };
  ++state_.waiting.for_room;
  // Who gives the lead on lets go of the lock, and another may take the room meanwhile.
  while (!let_in() && clock::now() < until)
    lead(turn, let_in, until);
  --state_.waiting.for_room;
  state_.check_open();
  return room() ? entry::queued : entry::refused;
}

worker_pool::entry worker_pool::enter_full(const unit& u) {
  const auto& o = state_.options;
  if (o.on_full == on_full::run_in_caller)
    return entry::by_caller;
  if (o.on_full == on_full::reject)
    throw queue_full("the backlog of pool '" + o.name
                     + "' is full: " + std::to_string(state_.queue.items()) + " tasks of "
                     + std::to_string(o.queue_capacity) + ", "
                     + std::to_string(state_.queue.bytes()) + " bytes of "
                     + std::to_string(o.queue_bytes) + "; submit later or use on_full::block");
  const auto dropped =
    failure_of(failure_kind::rejected, "the task had waited longest when the backlog was full: "
                                       "on_full::drop_oldest gave its place to a newer one");
  while (!state_.queue.has_room(u.items, u.bytes())) // an empty one has room for all
    queue_.fail(*state_.queue.oldest(), dropped);
  return entry::queued;
}

// It counts as waiting while it runs: no worker has it.
void worker_pool::run_in_caller(pool_turn& turn, std::unique_ptr<unit> u) {
  u->id = state_.tasks.submit(u->items);
  u->sink->placed(nullptr, u->id);
  turn.unlock();
  for_each_item(*u, [&](std::uint32_t item, std::span<const std::byte> args) {
    auto ran = run_attempts(*u, args, state_.options, [&] {
      turn.lock();
      pool_is_locked();
      state_.tasks.send(1);
      state_.tasks.try_again(); // it waits as before, and the attempt is counted
      turn.unlock();
    });
    turn.lock();
    pool_is_locked();
    if (ran.failed)
      outcomes_.fail(*u, item, std::move(*ran.failed), task_place::waiting);
    else {
      outcomes_.succeed_here(*u, item);
      deliver(*u->sink, u->first_item + item, std::move(ran.result));
    }
    turn.unlock();
  });
  turn.lock();
  state_.waiting.wake_all(); // join() may wait for the last outcome
}

} // namespace bulkhead::runtime
