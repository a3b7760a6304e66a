#include "actors/worker/actor_loop.hpp"

#include "actors/caf/proxy.hpp"
#include "runtime/testing/hooks.hpp"

#include <caf/actor_cast.hpp>
#include <caf/actor_registry.hpp>
#include <caf/send.hpp>

#include <algorithm>

// The loop of an actor worker, on its main thread: timers, what waits to leave, one frame, what is
// ready, and sleep when all of that was nothing. Nothing in it waits for room, since the thread
// that would make room is this one.
namespace bulkhead::actors {

namespace {

// One frame, then whatever is ready; the bound keeps actors that never rest from starving frames
// and timers.
constexpr std::size_t behaviors_per_turn = 64;

} // namespace

actor_loop::actor_loop(worker_system& system, std::shared_ptr<border> edge,
                       std::shared_ptr<link> host, turn_board& board)
  : system_(system), border_(std::move(edge)), host_(std::move(host)), board_(board) {}

bool actor_loop::run() {
  no_wait_scope never;
  while (!stopping_) {
    std::size_t did = 0;
    if (!step(did))
      return false;
    if (did == 0 && !stopping_)
      sleep();
  }
  return finish();
}

bool actor_loop::step(std::size_t& did) {
  did = system_.fire_timers();
  // Before a frame is read: what still waits to leave decides how much may be read
  // (stall_rule.hpp).
  host_->flush();
  const auto turn =
    stall_.next(host_->waiting(), host_->waiting_bytes(), clock::now(), {1, behaviors_per_turn});
  std::size_t popped = 0;
  if (turn.frames != 0 && !border_->receive(*host_, turn.frames, popped))
    return false;
  stall_.did_read(popped);
  did += popped;
  for (std::size_t ran = 0; ran < turn.behaviors && system_.run_ready(1) != 0; ++ran)
    ++did;
  // The host reads it without asking, to balance its workers.
  board_.counts(system_.system().registry().running());
  BULKHEAD_HOOK("actor.worker.ran");
  return true;
}

void actor_loop::sleep() {
  auto deadline = border_->tidy(clock::now());
  clock::time_point timer;
  if (system_.next_deadline(timer))
    deadline = std::min(deadline, timer);
  // While the worker stalls what is ready waits on purpose; else there is no reason to sleep.
  if (stall_.stalled())
    deadline = std::min(deadline, stall_.resume_at());
  else if (system_.ready())
    return;
  BULKHEAD_HOOK("actor.worker.sleeping");
  host_->io().wait(stall_.reads() ? transport::until::piece_or_wake : transport::until::wake,
                   deadline);
}

void actor_loop::adopt(const caf::strong_actor_ptr& root) {
  if (roots_.size() >= sweep_at_) {
    std::erase_if(roots_, [](const caf::weak_actor_ptr& r) {
      auto alive = r.lock();
      return !alive || proxy_base::terminated(alive->get());
    });
    sweep_at_ = std::max<std::size_t>(64, 2 * roots_.size());
  }
  roots_.push_back(caf::actor_cast<caf::weak_actor_ptr>(root));
}

void actor_loop::stop(std::chrono::nanoseconds grace) {
  stopping_ = true;
  grace_ = grace;
}

bool actor_loop::finish() {
  for (auto& root : roots_)
    if (auto alive = root.lock())
      caf::anon_send_exit(caf::actor_cast<caf::actor>(alive), caf::exit_reason::user_shutdown);
  roots_.clear();
  const auto start = clock::now();
  const auto deadline = start + grace_;
  const auto lives = [this] { return system_.system().registry().running() != 0; };
  // Frames still go out and come in: an actor may end only after an answer from elsewhere, and what
  // the ended ones have said waits for the host; not to the end of the grace, which is not theirs.
  while (lives() || (host_->backlogged() && clock::now() < start + grace_ / 2)) {
    if (clock::now() >= deadline)
      return false;
    std::size_t did = 0;
    if (!step(did))
      return false;
    if (did == 0)
      host_->io().wait(transport::until::piece_or_wake,
                       std::min(deadline, clock::now() + std::chrono::milliseconds{1}));
  }
  return true;
}

} // namespace bulkhead::actors
