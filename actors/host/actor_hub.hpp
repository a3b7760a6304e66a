#pragma once

#include "actors/border/border.hpp"
#include "actors/names/name_desk.hpp"
#include "runtime/this_process/callback_thread.hpp"
#include "runtime/this_process/reactor.hpp"

#include <caf/fwd.hpp>

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace bulkhead::actors {

class actor_process;

/// What can be ended when a system shuts down: groups of workers, pool actors.
class endable {
public:
  virtual ~endable() = default;
  /// Bounded; nothing of it is left afterwards.
  virtual void end() noexcept = 0;
};

/// The host's side of one CAF system: its border, shared by all pools in the system, so that
/// handles pass between them. Thread-safe.
class actor_hub : public std::enable_shared_from_this<actor_hub> {
public:
  /// Throws config_error where the system's configuration did not go through configure().
  static std::shared_ptr<actor_hub> of(caf::actor_system& system);
  ~actor_hub();

  caf::actor_system& system() noexcept { return system_; }
  border& edge() noexcept { return *border_; }
  const std::shared_ptr<border>& shared_edge() const noexcept { return border_; }
  const std::shared_ptr<runtime::reactor>& thread() const noexcept { return reactor_; }
  /// The host's node id, encoded.
  const std::vector<std::byte>& node_bytes() const noexcept { return node_bytes_; }

  /// A number for a new worker and who deals with its hello and spawned frames.
  using handler = std::function<bool(link&, const frame&)>;
  peer_id enroll(handler on_control, std::weak_ptr<actor_process> process);
  /// `expired`: requests that the worker has dropped.
  void dismiss(peer_id peer, std::uint64_t expired = 0);
  /// Who starts actors beside those of a worker for them; nobody where it is not said.
  using spawner =
    std::function<void(const std::string&, const caf::message&, const name_desk::spawn_done&)>;
  void let_spawn(peer_id peer, spawner f);
  /// Null where it has ended.
  std::shared_ptr<actor_process> process_of(peer_id peer);
  /// Those that have not been buried, and requests that the buried ones had dropped because their
  /// deadline had passed: each worker is in one of the two.
  std::vector<std::shared_ptr<actor_process>> processes(std::uint64_t& expired);
  /// The hub of a system, null where it has none: a worker's.
  static std::shared_ptr<actor_hub> find(const caf::actor_system& system);

  /// Ended at the system's shutdown.
  void add(const std::shared_ptr<endable>& part);
  /// False once the system shuts down.
  bool open() const noexcept { return !over_.load(std::memory_order_acquire); }

  /// The names and groups of the system. Throws pool_closed once it shuts down.
  caf::strong_actor_ptr names();
  /// The same; null once it shuts down.
  caf::strong_actor_ptr find_names();
  /// The same as a number, which tells workers whom to ask.
  caf::actor_id names_id() const noexcept { return names_id_; }

  /// After proxies were used: lets go of idle ones later.
  void tidy_later();

  /// Queues user code for the hub's callback thread; what is queued has run when the system is shut
  /// down. Throws std::system_error where there is no such thread to be had.
  void call_back(std::function<void()> f);
  /// The same for the library's own work that may wait for a forkserver, and that must neither hold
  /// up the runtime thread nor wait behind user code.
  void launch_later(std::function<void()> f);

private:
  explicit actor_hub(caf::actor_system& system);
  bool on_control(link& from, const frame& f);
  void spawn_for(peer_id asker, const std::string& behavior, const caf::message& args,
                 const name_desk::spawn_done& done);
  void shut_down() noexcept;
  void end_processes() noexcept;
  void close_names() noexcept;
  void tidy();

  caf::actor_system& system_;
  const std::shared_ptr<runtime::reactor> reactor_;
  const std::shared_ptr<border> border_;
  std::vector<std::byte> node_bytes_;
  caf::actor_id names_id_ = 0;
  std::shared_ptr<void> shutdown_token_;
  std::atomic<bool> over_ = false;
  std::atomic<bool> tidying_ = false;
  runtime::callback_thread callbacks_;
  runtime::callback_thread launches_;
  std::mutex mutex_; ///< guards what follows
  caf::strong_actor_ptr names_;
  peer_id next_peer_ = 1;
  struct entry {
    handler on_control;
    std::weak_ptr<actor_process> process;
    spawner spawn_beside;
  };
  std::map<peer_id, entry> peers_;
  std::uint64_t expired_ = 0; ///< in those that were dismissed
  std::vector<std::weak_ptr<endable>> parts_;
};

} // namespace bulkhead::actors
