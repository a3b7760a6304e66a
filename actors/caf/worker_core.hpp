#pragma once

#include "actors/caf/turn_listener.hpp"
#include "actors/caf/version.hpp"

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>

namespace bulkhead::actors {

/// How a worker runs its actors.
enum class engine {
  in_loop,  ///< in the loop thread, by run_ready(); no other thread
  threaded, ///< by CAF's own scheduler with one worker thread
};

/// What the two engines implement.
class worker_core {
public:
  using time_point = std::chrono::steady_clock::time_point;

  virtual ~worker_core() = default;
  virtual void start() = 0;
  virtual exec_ctx* context() noexcept = 0;
  virtual std::size_t run_ready(std::size_t budget) = 0;
  virtual std::size_t ready() noexcept = 0;
  virtual bool next_deadline(time_point& due) = 0;
  virtual std::size_t fire_timers() = 0;
  virtual void on_wake(std::function<void()> wake) = 0;
  /// Before start(); null: nobody listens. The threaded engine tells nothing.
  virtual void listen(turn_listener* listener) noexcept = 0;

  caf::actor_system_config config;
  caf::node_id node; ///< to be taken by the system; none: one of its own
  std::unique_ptr<caf::actor_system> system;
  bool stopped = false;

  static std::unique_ptr<worker_core> make(engine kind);
  static std::unique_ptr<worker_core> make_in_loop();
};

} // namespace bulkhead::actors
