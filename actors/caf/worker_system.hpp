#pragma once

#include "actors/caf/worker_core.hpp"

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/node_id.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>

namespace bulkhead::actors {

/// The CAF system of a worker process. Constructed, started and pumped by one thread, the loop
/// thread; only on_wake's function is called by others.
class worker_system {
public:
  using time_point = std::chrono::steady_clock::time_point;

  explicit worker_system(engine kind = engine::in_loop);
  /// Destroys the system where stop() returned true or start() was never called. Elsewhere actors
  /// still live, CAF would wait for them for ever, and the system is abandoned.
  ~worker_system();
  worker_system(const worker_system&) = delete;
  worker_system& operator=(const worker_system&) = delete;

  /// To be changed before start() only.
  caf::actor_system_config& config() noexcept;
  /// The system's node id, which else holds the process id on CAF 0.17; before start() only. An
  /// empty one leaves the choice to CAF.
  void take_node(const caf::node_id& node);
  void start();
  caf::actor_system& system() noexcept;

  /// To pass with enqueue from the loop thread; null on the threaded engine.
  exec_ctx* context() noexcept;

  /// Runs at most `budget` ready actors once each; returns how many ran.
  std::size_t run_ready(std::size_t budget);
  /// How many actors run_ready would run, of those that actors of the loop made ready all.
  std::size_t ready() noexcept;
  /// When the next timer is due; false where none is set.
  bool next_deadline(time_point& due);
  /// Delivers what is due; returns how many timers fired.
  std::size_t fire_timers();

  /// Called from any thread that made work for a sleeping loop. To be set before start().
  void on_wake(std::function<void()> wake);

  /// Who hears of each turn; before start() only.
  void listen(turn_listener* listener) noexcept;

  /// Runs the loop until no actor is left or the deadline passes; true when none is left.
  bool stop(time_point deadline);

private:
  std::unique_ptr<worker_core> core_;
};

/// Prepares a host's configuration: its system gets a node id and tells when it shuts down. The
/// user's own middleman stays as it is, whatever the order of the calls.
void load_host(caf::actor_system_config& config, const caf::node_id& node = {});

/// The node id for the process with this number, 1 or more, of a host: never given twice, as
/// process ids are. Empty where CAF makes such ids itself (1.x).
caf::node_id node_for(const caf::node_id& host, std::uint64_t number);
/// A node id as codec encodes it, for a process that has no system yet; empty where the bytes are
/// none, and on 1.x.
caf::node_id read_node(std::span<const std::byte> bytes);

/// For a private system: one scheduler thread, asleep when idle.
void use_small_scheduler(caf::actor_system_config& config);

/// Lets the calling thread hold nothing of the system: where it made it or used a scoped_actor in
/// it, CAF's destructor of the system waits for this thread.
void leave_system(caf::actor_system& system);

/// Whether the system's configuration went through load_host.
bool is_host(const caf::actor_system& system);

/// Runs `f` once when the system shuts down, before CAF stops its modules; dropped where the
/// returned token dies first. `f` runs in the thread that destroys the system.
std::shared_ptr<void> at_shutdown(caf::actor_system& system, std::function<void()> f);

} // namespace bulkhead::actors
