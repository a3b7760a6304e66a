#pragma once

#include "actors/host/actor_process.hpp"
#include "runtime/dispatch/restart_intensity.hpp"

#include <bulkhead/instance_pool.hpp>
#include <bulkhead/spawn_pool.hpp>
#include <bulkhead/spawn_pool_info.hpp>

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <utility>
#include <vector>

namespace bulkhead::actors {

/// One message on its way through a pool of instances.
struct parcel {
  caf::strong_actor_ptr sender;
  caf::message_id mid;
  caf::message content;
  std::size_t attempts = 0; ///< that may have executed
  std::uint64_t number = 0; ///< of its arrival; the line is in its order
  std::uint64_t part = 0;   ///< of a message to several instances: which, from 1 on
  message_marks::time_point deadline = message_marks::time_point::max();
};

/// The instances behind the actor of a spawn_pool, and where each message goes. The actor owns it;
/// processes and watches know it weakly. Thread-safe.
class instance_pool final : public endable, public std::enable_shared_from_this<instance_pool> {
public:
  instance_pool(std::shared_ptr<actor_hub> hub, pool_options options, distribution how,
                spawn_request what);
  ~instance_pool() override;

  /// Starts all instances and waits for them. Throws what actor_process::spawn throws.
  void start();

  /// In the sender's thread.
  void take(parcel p);

  /// More or fewer instances, at least one. Those that are too many take nothing new and end when
  /// they have answered. Returns at once. Throws config_error, and pool_closed.
  void resize(std::size_t n);
  /// Takes nothing new, and ends when all is answered.
  void close() noexcept;

  /// The instances get an exit message and the grace; what waits is answered with an error.
  void stop() noexcept;
  /// At once: kills, and waits for the ends, at most 2 s.
  void end() noexcept override;

  spawn_pool_info info();
  instance_pool_stats stats();
  /// Tells the pool's actor that the pool has ended by itself, and why: it gave up, or is closed.
  /// Runs on the runtime thread.
  std::function<void(const caf::error&)> on_over;

private:
  friend class parcel_watch;
  struct instance {
    std::shared_ptr<actor_process> process;
    caf::strong_actor_ptr actor; ///< null: down
    std::uint64_t generation = 0;
    std::size_t load = 0; ///< unanswered messages
    /// Its process has died, and what it had not seen moves on: until that is done, newer messages
    /// wait, so that they do not overtake.
    bool moving = false;
    bool leaves = false; ///< it is one too many: it takes nothing new
    bool aged = false;   ///< past max_age_per_worker: the same, and another takes its place
    bool told = false;   ///< it has its exit message because of that
    bool empty = false;  ///< it has left, and nobody starts it again

    bool serves() const noexcept { return actor != nullptr && !leaves && !aged; }
  };
  /// Where a parcel comes from. Only one of a sender may find no room: the others were taken.
  enum class origin : std::uint8_t { sender, line, dead_instance };
  static constexpr std::size_t none = static_cast<std::size_t>(-1);

  struct launched {
    std::shared_ptr<actor_process> process;
    std::uint64_t generation = 0;
  };
  launched launch(std::size_t at);
  void on_up(std::size_t at, std::uint64_t generation, const caf::strong_actor_ptr& actor);
  void on_down(std::size_t at, std::uint64_t generation) noexcept;
  void on_end(std::size_t at, std::uint64_t generation, const exit_status& status, bool was_ready);
  void restart_later(std::size_t at) noexcept;
  void restart(std::size_t at) noexcept;
  void replace(std::size_t at, bool was_ready, const std::string& why, const exit_status& status);
  void give_up(const std::string& why);

  void route(parcel p, origin from);
  void dispatch(parcel p, origin from);
  /// True: others go first; it waits, or is refused where too many do.
  bool wait_in_line(parcel& p, origin from);
  /// Sends what waits, the oldest first.
  void drain();
  bool next_in_line(parcel& p);
  void wait_for(parcel&& p);      ///< in the line; under the lock
  std::deque<parcel> take_line(); ///< all that waits, the oldest first; under the lock
  static void note_death(instance& one) noexcept;
  bool any_moving() const noexcept; ///< under the lock
  void dispatch_to_all(parcel& p, origin from);
  bool send(std::size_t at, const parcel& p);
  std::size_t pick(const caf::message& msg);
  std::size_t pick_by_choice(const caf::message& msg);
  std::size_t pick_by_options();                         ///< under the lock
  std::size_t pick_by_key(const std::string& key) const; ///< under the lock
  std::vector<std::size_t> serving() const;              ///< under the lock
  std::vector<caf::message> parts_of(const caf::message& msg, std::size_t instances) const;
  /// No instance served: waits for one, or is refused. False: one serves now.
  bool keep(parcel& p, origin from);
  bool over();
  void refuse(const parcel& p, const std::string& why, failure_kind kind);
  void answered(std::size_t at, std::uint64_t generation) noexcept;
  bool lost(std::size_t at, std::uint64_t generation, parcel&& p, bool delivered);
  std::vector<std::shared_ptr<actor_process>> finish();
  struct leaving {
    std::shared_ptr<actor_process> process;
    exit_cause why = exit_cause::none;
  };
  void retire(std::size_t at, std::uint64_t generation, actor_process::clock::time_point when);
  void look_later() noexcept;
  void look();
  bool somebody_leaves() const noexcept; ///< under the lock
  std::vector<leaving> take_leaving();   ///< under the lock
  bool all_answered() const noexcept;    ///< under the lock

  const std::uint64_t owner_; ///< a forked copy of the host only lets go
  const std::shared_ptr<actor_hub> hub_;
  const pool_options options_;
  const distribution how_;
  const spawn_request what_;
  std::mutex mutex_; ///< guards what follows; never held while messages are sent
  std::vector<instance> instances_;
  using place_in_line = std::pair<std::uint64_t, std::uint64_t>; ///< number and part
  std::map<place_in_line, parcel> line_; ///< those that wait: whose instance died, too
  std::uint64_t numbers_ = 0;
  std::size_t wanted_ = 0; ///< how many instances
  instance_pool_stats counts_;
  bool draining_ = false;
  runtime::restart_intensity intensity_;
  std::mt19937_64 random_;
  std::size_t next_ = 0;
  bool looks_ = false;  ///< a look at those that leave is on its way
  bool closed_ = false; ///< it takes nothing new
  bool over_ = false;
};

/// The actor in front of a pool of instances.
caf::actor make_instance_pool_actor(const std::shared_ptr<actor_hub>& hub,
                                    const std::shared_ptr<instance_pool>& pool);
/// What such an actor stands for; null for any other.
std::shared_ptr<instance_pool> instance_pool_behind(const caf::strong_actor_ptr& front);

} // namespace bulkhead::actors
