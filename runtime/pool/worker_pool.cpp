#include "runtime/pool/worker_pool.hpp"

#include "runtime/dispatch/chunking.hpp"
#include "runtime/outcome/failure_of.hpp"
#include "runtime/pool/pool_checks.hpp"
#include "runtime/this_process/own_process.hpp"

#include <algorithm>
#include <cstdio>
#include <exception>
#include <utility>

// The calls that give a pool work and end the pool. Who may enter is in admission.cpp, what takes
// work back in cancel.cpp, what looks at the pool in pool_view.cpp.
namespace bulkhead::runtime {

worker_pool::worker_pool(pool_options options) : state_(std::move(options)) {
  answers_.on_drain([this] {
    pool_is_locked();
    workforce_.pay_debts();
  });
}

worker_pool::~worker_pool() {
  if (own_process::is(state_.owner)) {
    terminate();
  } else {
    // A forked copy: the threads do not exist here, and joining them would wait for ever.
    news_.forget_thread();
    workforce_.forget_thread();
  }
}

void worker_pool::start() {
  // Not in the constructor, where there is no weak pointer yet. Every callback holds one, so none
  // runs in a pool that is gone.
  state_.self = weak_from_this();
  {
    const pool_guard lock{state_.mutex};
    state_.ticks.on_tick(
      state_.while_alive([this](std::uint64_t number) { watchman_.tick(number); }));
  }
  if (state_.options.on_event || state_.options.on_output)
    news_.callbacks().start();
  detail::recycle_memory();
  leadership_.start();
  try {
    workforce_.start();
  } catch (...) {
    terminate();
    throw;
  }
}

bool worker_pool::submit(detail::work&& w, detail::admission how) {
  own_process::require(state_.owner);
  const auto until = w.room_until;
  if (w.single && queue_.may_gather_now() && gather(w))
    return true;
  auto u = queue_.make_unit(std::move(w));
  pool_turn turn{state_, answers_};
  state_.check_open();
  const auto way = wait_for_room(turn, *u, how, until);
  if (way == entry::by_caller) {
    run_in_caller(turn, std::move(u));
    return true;
  }
  if (way == entry::refused) {
    w.body = std::move(u->body); // NOLINT(bugprone-use-after-move): given back as it was
    w.sink = std::move(u->sink);
    w.options = std::move(u->options);
    return false;
  }
  // The last call that may fail: what is taken gets its outcome.
  state_.queue.make_room(*u, state_.lane_of(*u));
  u->id = state_.tasks.submit(u->items);
  u->sink->units_made.fetch_add(1, std::memory_order_relaxed); // a hint
  // Before it is enqueued: pump() may send it, and its answer may be taken, before this returns.
  u->sink->placed(u.get(), u->id);
  const auto only = u->pinned_worker;
  queue_.enqueue(std::move(u), false);
  dispatcher_.pump();
  workforce_.grow();
  if (only == 0)
    return true;
  const auto* slot = state_.find_slot(only);
  if (slot == nullptr || dispatcher_.is_used_up(*slot))
    queue_.fail_pinned(only); // it ended since the caller learnt of it
  return true;
}

// Nobody had room for what waits, so nobody has for one more, unless the unit is full by now and
// goes as others do.
bool worker_pool::gather(detail::work& w) {
  const pool_turn turn{state_, answers_};
  state_.check_open();
  if (!queue_.gather(w))
    return false;
  if (!queue_.gathers_more())
    dispatcher_.pump();
  workforce_.grow();
  return true;
}

bool worker_pool::lead(pool_turn& turn, const std::function<bool()>& done) {
  return lead(turn, done, time_point::max());
}

bool worker_pool::lead(pool_turn& turn, const std::function<bool()>& done, time_point deadline) {
  return leadership_.lead(turn.guard(), done, nullptr, deadline);
}

bool worker_pool::wait(detail::event_latch& latch, time_point deadline) {
  if (latch.ready())
    return true;
  own_process::require(state_.owner);
  pool_turn turn{state_, answers_};
  // With a leader the latch alone is waited for: the leader stores the outcome and sets it. The
  // runtime thread must not lead, since it has to bury workers meanwhile.
  if (state_.waiting.led || state_.slots.empty() || state_.runtime_thread->on_thread()) {
    turn.unlock();
    const bool set = latch.wait_until(deadline);
    turn.lock();
    return set;
  }
  return leadership_.lead(
    turn.guard(), [&] { return latch.ready(); }, &latch, deadline);
}

void worker_pool::catch_up() {
  if (!state_.waiting.led)
    answers_.drain_all();
}

std::size_t worker_pool::chunk_hint(const detail::task_sink& sink, std::size_t remaining) {
  chunk_facts facts; // hints, read as they come
  facts.workers = state_.options.max_workers;
  facts.units_made = sink.units_made.load(std::memory_order_relaxed);
  facts.remaining = remaining;
  facts.mean_item = std::chrono::nanoseconds{sink.mean_item_ns.load(std::memory_order_relaxed)};
  return next_chunk(facts);
}

void worker_pool::close() {
  own_process::require(state_.owner);
  const pool_turn turn{state_, answers_};
  state_.closed = true;
  state_.waiting.wake_all(); // the first of them may lead, and sleeps elsewhere
}

bool worker_pool::is_open() {
  own_process::require(state_.owner);
  const pool_turn turn{state_, answers_};
  return !state_.closed && !state_.ended();
}

bool worker_pool::join(time_point deadline) {
  own_process::require(state_.owner);
  pool_turn turn{state_, answers_};
  if (!state_.closed && !state_.ended())
    throw config_error("join() waits for a pool that takes no more tasks: call close() or "
                       "terminate() first");
  const auto quiet = [this]() {
    pool_is_locked();
    return state_.tasks.at_rest();
  };
  if (!leadership_.lead(turn.guard(), quiet, nullptr, deadline))
    return false;
  workforce_.let_all_go();
  return workforce_.wait_until_gone(turn.guard(), deadline);
}

void worker_pool::terminate() noexcept {
  if (!own_process::is(state_.owner))
    return; // a forked copy: the workers are the original's
  pool_turn turn{state_, answers_};
  state_.closed = state_.terminated = true;
  // What waits first, so that no worker that is killed makes room for one more task.
  queue_.fail_everything(failure_of(failure_kind::cancelled, "the pool was terminated"));
  workforce_.kill_all();
  turn.unlock();
  workforce_.stop_launches(); // a worker that is being launched is ended as soon as it is there
  turn.lock();
  workforce_.wait_until_gone(turn.guard(),
                             clock::now() + state_.options.grace + worker_watch::death_takes);
  // Whoever is left does not die: its tasks get their outcome all the same, and nobody waits on.
  workforce_.give_up_all();
  leadership_.forget_retired(); // a future that is kept keeps the pool, but nothing of its workers
  const auto timer = state_.ticks.stop();
  turn.unlock();
  // Without the lock: both wait for a handler that may be waiting for it.
  leadership_.stop();
  if (timer != 0)
    state_.runtime_thread->cancel(timer);
  news_.end_lines();
  news_.callbacks().stop();
  turn.lock();
  if (const auto told = std::exchange(state_.onlooker, nullptr)) {
    const auto last = state_.tasks.stats();
    turn.unlock();
    told->pool_ended(last);
    turn.lock();
  }
}

void worker_pool::resize(std::size_t workers) {
  own_process::require(state_.owner);
  check_worker_count(workers);
  {
    const pool_turn turn{state_, answers_};
    state_.check_open();
    if (state_.size.is_elastic() && !state_.size.allows(workers))
      throw config_error("resize(" + std::to_string(workers) + "): allowed are "
                         + std::to_string(state_.size.least()) + " to "
                         + std::to_string(state_.size.most())
                         + ", the pool's min_workers and max_workers");
    workforce_.resize(workers);
  }
  try {
    workforce_.start_missing();
  } catch (...) {
    const pool_turn turn{state_, answers_};
    // Nobody would start them, and whoever waits for them would wait for ever.
    state_.staff.do_without_missing();
    state_.waiting.wake_all();
    throw;
  }
}

void worker_pool::expect_callbacks() {
  own_process::require(state_.owner);
  news_.callbacks().start();
}

bool worker_pool::on_callback_thread() const noexcept { return news_.callbacks().on_thread(); }

void worker_pool::call_back(std::function<void()> f) {
  own_process::require(state_.owner);
  news_.callbacks().run(std::move(f));
}

// The thread runs since expect_callbacks, but where the pool has ended and no new one can start.
void worker_pool::call_back_locked(std::list<std::function<void()>>&& calls) noexcept try {
  if (own_process::is(state_.owner))
    news_.callbacks().run(std::move(calls));
} catch (const std::exception& e) {
  std::fprintf(stderr, "bulkhead: callbacks are lost: no thread for them: %s\n", e.what());
}

} // namespace bulkhead::runtime
