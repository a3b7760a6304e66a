#include "runtime/pool/worker_pool.hpp"

#include "runtime/dispatch/chunking.hpp"
#include "runtime/outcome/failure_of.hpp"
#include "runtime/pool/pool_checks.hpp"
#include "runtime/this_process/own_process.hpp"

#include <algorithm>
#include <cstdio>
#include <exception>
#include <utility>

// The calls that give a pool work, take it back, and end the pool. Those that look at it are in
// pool_view.cpp.
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
    news_.forget_thread();
    workforce_.forget_thread();
  }
}

void worker_pool::start() {
  state_.self = weak_from_this();
  {
    const pool_guard lock{state_.mutex};
    state_.ticks.on_tick(
      state_.while_alive([this](std::uint64_t number) { watchman_.tick(number); }));
  }
  if (state_.options.on_event)
    news_.callbacks().start();
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
  auto u = queue_.make_unit(std::move(w));
  pool_turn turn{state_, answers_};
  state_.check_open();
  if (!wait_for_room(turn, *u, how)) {
    w.body = std::move(u->body); // NOLINT(bugprone-use-after-move): given back as it was
    w.sink = std::move(u->sink);
    w.options = std::move(u->options);
    return false;
  }
  // The last call that may fail: what is taken gets its outcome.
  state_.queue.make_room(*u, state_.lane_of(*u));
  u->id = state_.tasks.submit(u->items);
  u->sink->units_made.fetch_add(1, std::memory_order_relaxed); // a hint
  u->sink->placed(u.get(), u->id);
  const auto only = u->pinned_worker;
  queue_.enqueue(std::move(u), false);
  dispatcher_.pump();
  if (only == 0)
    return true;
  const auto* slot = state_.find_slot(only);
  if (slot == nullptr || dispatcher_.is_used_up(*slot))
    queue_.fail_pinned(only); // it ended since the caller learnt of it
  return true;
}

bool worker_pool::wait_for_room(pool_turn& turn, const unit& u, detail::admission how) {
  const auto room = [&]() {
    pool_is_locked();
    return state_.queue.has_room(u.items, u.bytes());
  };
  if (room())
    return true;
  catch_up();
  if (room())
    return true;
  if (how == detail::admission::try_only)
    return false;
  const auto& o = state_.options;
  if (how == detail::admission::policy && o.on_full == on_full::reject)
    throw queue_full("the backlog of pool '" + o.name
                     + "' is full: " + std::to_string(state_.queue.items()) + " tasks of "
                     + std::to_string(o.queue_capacity) + ", "
                     + std::to_string(state_.queue.bytes()) + " bytes of "
                     + std::to_string(o.queue_bytes) + "; submit later or use on_full::block");
  ++state_.waiting.for_room;
  lead(turn, [&]() {
    pool_is_locked();
    return room() || state_.ended() || state_.closed;
  });
  --state_.waiting.for_room;
  state_.check_open();
  return true;
}

bool worker_pool::lead(pool_turn& turn, const std::function<bool()>& done) {
  return leadership_.lead(turn.guard(), done, nullptr, time_point::max());
}

bool worker_pool::wait(detail::event_latch& latch, time_point deadline) {
  if (latch.ready())
    return true;
  own_process::require(state_.owner);
  pool_turn turn{state_, answers_};
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
  facts.workers = state_.options.workers;
  facts.units_made = sink.units_made.load(std::memory_order_relaxed);
  facts.remaining = remaining;
  facts.mean_item = std::chrono::nanoseconds{sink.mean_item_ns.load(std::memory_order_relaxed)};
  return next_chunk(facts);
}

bool worker_pool::cancel(detail::future_base& f, bool kill_running) {
  own_process::require(state_.owner);
  const pool_turn turn{state_, answers_};
  catch_up(); // a result that is already there wins
  auto* u = static_cast<unit*>(f.place);
  if (u == nullptr)
    return false;
  if (u->died_with != nullptr) {
    u->cancel_wanted = true; // no further attempt
    return false;
  }
  bool ended = true;
  if (u->worker == nullptr)
    queue_.cancel(*u);
  else
    ended = cancel_sent(*u, f, kill_running); // the unit may be gone
  dispatcher_.pump();
  return ended;
}

// True: it came back, and has ended as cancelled.
bool worker_pool::cancel_sent(unit& u, detail::future_base& f, bool kill_running) {
  u.cancel_wanted = true;
  if (u.worker->gone())
    return false; // no word of a liar's tells what has begun there; its death decides
  dispatcher_.recall(*u.worker, make_position(u.sequence, 0));
  if (f.place == nullptr)
    return true;
  if (kill_running)
    request_kill(u);
  return false;
}

void worker_pool::request_kill(unit& u) {
  auto& slot = *u.worker;
  u.kill_wanted = true;
  slot.cancelled_task = true;
  slot.link.request_task_stop(std::max(slot.link.flown().next(), make_position(u.sequence, 0)));
  slot.watch.ask_for_task(clock::now());
  state_.ticks.need(slot.watch.next_look());
}

bool worker_pool::cancel_all(const detail::task_sink& sink, bool kill_running) {
  own_process::require(state_.owner);
  const pool_turn turn{state_, answers_};
  catch_up(); // a result that is already there wins
  queue_.cancel_all(sink);
  bool left = sink.began.load(std::memory_order_relaxed); // under our lock, as its writer
  left |= workforce_.cancel_attempts(sink);
  for (const auto& slot : state_.slots)
    left |= cancel_sent(*slot, sink, kill_running);
  dispatcher_.pump();
  return !left;
}

// True: some of it is left there and may run.
bool worker_pool::cancel_sent(worker_slot& slot, const detail::task_sink& sink, bool kill_running) {
  const auto ours = [&](const unit& u) { return u.sink.get() == &sink; };
  auto& flown = slot.link.flown();
  const auto sent = flown.find_work(ours);
  if (sent == no_position)
    return false;
  flown.for_each_work([&](unit& u) { u.cancel_wanted |= ours(u); });
  if (slot.gone())
    return true; // a liar: its death decides
  dispatcher_.recall(slot, std::max(sent, flown.next()));
  if (kill_running) // it begins nothing more: what it is at is the first without an answer
    answers_.drain_unpublished(slot);
  bool left = false;
  flown.for_each_work([&](unit& u) {
    pool_is_locked();
    if (!ours(u))
      return;
    left = true;
    if (kill_running)
      request_kill(u);
  });
  return left;
}

void worker_pool::close() {
  own_process::require(state_.owner);
  const pool_turn turn{state_, answers_};
  state_.closed = true;
  state_.waiting.wake_all(); // the first of them may lead, and sleeps elsewhere
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
  queue_.fail_everything(failure_of(failure_kind::cancelled, "the pool was terminated"));
  workforce_.kill_all();
  turn.unlock();
  workforce_.stop_launches(); // a worker that is being launched is ended as soon as it is there
  turn.lock();
  workforce_.wait_until_gone(turn.guard(),
                             clock::now() + state_.options.grace + worker_watch::death_takes);
  workforce_.give_up_all();
  leadership_.forget_retired(); // a future that is kept keeps the pool, but nothing of its workers
  const auto timer = state_.ticks.stop();
  turn.unlock();
  leadership_.stop();
  if (timer != 0)
    state_.runtime_thread->cancel(timer);
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
    workforce_.resize(workers);
  }
  try {
    workforce_.start_missing();
  } catch (...) {
    const pool_turn turn{state_, answers_};
    state_.staff
      .do_without_missing(); // nobody would start them, and who waits for them wait for ever
    state_.waiting.wake_all();
    throw;
  }
}

void worker_pool::expect_callbacks() {
  own_process::require(state_.owner);
  news_.callbacks().start();
}

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
