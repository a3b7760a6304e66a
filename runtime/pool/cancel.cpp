#include "runtime/pool/worker_pool.hpp"

#include "runtime/outcome/failure_of.hpp"
#include "runtime/this_process/own_process.hpp"

#include <algorithm>

// The calls that take work back.
namespace bulkhead::runtime {

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
  if (u->items > 1)
    ended = cancel_gathered(f, kill_running);
  else if (u->worker == nullptr)
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
    dispatcher_.request_kill(u);
  return false;
}

// One of several tasks in a unit. True: it has ended as cancelled.
bool worker_pool::cancel_gathered(detail::future_base& f, bool kill_running) {
  const auto unit_of = [&f] { return static_cast<unit*>(f.place); };
  const auto item_in = [&f](const unit& u) { return static_cast<std::uint32_t>(f.id() - u.id); };
  auto* u = unit_of();
  if (u->worker != nullptr) {
    if (u->worker->gone())
      return false; // see cancel_sent()
    // What lies behind it comes back, too, and waits as before.
    dispatcher_.recall(*u->worker, make_position(u->sequence, item_in(*u)));
    u = unit_of();
    if (u != nullptr && u->worker != nullptr) // it begins nothing more behind it
      answers_.drain_unpublished(*u->worker);
    u = unit_of();
  }
  if (u == nullptr)
    return false; // it had ended
  if (u->died_with != nullptr)
    return false;
  if (u->worker == nullptr) {
    queue_.cancel(*u, item_in(*u));
    return true;
  }
  // It has begun or is about to. Where more have begun behind it, it has ended already.
  if (u->items != item_in(*u) + 1)
    return false;
  u->cancel_wanted = true;
  if (kill_running)
    dispatcher_.request_kill(*u);
  return false;
}

void worker_pool::cancel_pending() {
  own_process::require(state_.owner);
  const pool_turn turn{state_, answers_};
  catch_up();
  queue_.fail_everything(
    failure_of(failure_kind::cancelled, "the pool was shut down before the task started"));
  for (const auto& slot : state_.slots) {
    auto& flown = slot->link.flown();
    flown.for_each_work([](unit& u) { u.cancel_wanted = true; });
    if (!slot->gone() && !flown.empty())
      dispatcher_.recall(*slot, flown.next());
  }
  dispatcher_.pump();
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
      dispatcher_.request_kill(u);
  });
  return left;
}

} // namespace bulkhead::runtime
