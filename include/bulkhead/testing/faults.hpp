#pragma once

#include <bulkhead/actor.hpp>

#include <caf/actor.hpp>
#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>

namespace bulkhead::testing {

/// Faults of the channels between the host and actor workers started from now on, drawn from a
/// seed: the same seed, the same faults at the same messages. A probability of 0 is never.
struct channel_faults {
  std::uint64_t seed = 1;
  double drop = 0;    ///< a message to a worker vanishes: its request runs into its time-out
  double delay = 0;   ///< a message to a worker waits for the next one
  double corrupt = 0; ///< a message from a worker arrives with a wrong byte: the worker is killed
};

/// Sets the faults; `{}` ends them. Thread-safe.
void inject(const channel_faults& faults);

/// A host system and a pool with real actor workers, whose processes a test can hurt.
///
///     bulkhead::testing::real_workers workers{2};
///     auto actor = workers.pool().spawn(codec);
///     workers.kill(actor);
class real_workers {
public:
  /// Adds to the options only the number of actor workers.
  explicit real_workers(std::size_t actor_workers = 1, pool_options options = {.workers = 1});
  ~real_workers();
  real_workers(const real_workers&) = delete;
  real_workers& operator=(const real_workers&) = delete;

  caf::actor_system& system() noexcept;
  bulkhead::pool& pool() noexcept;

  /// The process that hosts the actor; 0 where it is gone.
  pid_t process_of(const caf::actor& actor);
  /// SIGKILL: before it reads a message where it hangs, else whatever it does.
  void kill(const caf::actor& actor);
  /// SIGSTOP: messages wait, the heartbeat stops.
  void hang(const caf::actor& actor);
  /// SIGCONT.
  void go_on(const caf::actor& actor);
  /// Kills the worker of a random one of its actors, drawn from the seed.
  void kill_one_of(const std::vector<caf::actor>& actors, std::uint64_t seed);

private:
  struct state;
  std::unique_ptr<state> state_;
};

} // namespace bulkhead::testing
