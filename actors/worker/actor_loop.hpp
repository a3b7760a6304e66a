#pragma once

#include "actors/border/border.hpp"
#include "actors/caf/worker_system.hpp"
#include "actors/worker/stall_rule.hpp"
#include "actors/worker/turn_board.hpp"

#include <caf/actor_control_block.hpp>

#include <vector>

namespace bulkhead::actors {

/// The life of an actor worker: frame in, behaviour runs, reply frame out. One thread. Frames are
/// taken one by one between behaviours, so what the worker has not begun stays visible to the host
/// as never delivered.
class actor_loop {
public:
  using clock = std::chrono::steady_clock;

  actor_loop(worker_system& system, std::shared_ptr<border> edge, std::shared_ptr<link> host,
             turn_board& board);

  /// Until the host says stop, then until no actor is left or `grace` is over. False: the host
  /// sent what it never sends, or actors are left.
  bool run();

  /// Actors the host started: they get an exit message at the end.
  void adopt(const caf::strong_actor_ptr& root);

  /// From the frame handler.
  void stop(std::chrono::nanoseconds grace);

private:
  bool step(std::size_t& did);
  void sleep();
  bool finish();

  worker_system& system_;
  const std::shared_ptr<border> border_;
  const std::shared_ptr<link> host_;
  turn_board& board_;
  std::vector<caf::weak_actor_ptr> roots_;
  std::size_t sweep_at_ = 64;
  stall_rule stall_;
  bool stopping_ = false;
  std::chrono::nanoseconds grace_{};
};

} // namespace bulkhead::actors
