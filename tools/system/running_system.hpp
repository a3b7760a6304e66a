#pragma once

#include "tools/system/system_plan.hpp"
#include "tools/system/teller.hpp"

#include <bulkhead/actor.hpp>
#include <bulkhead/names.hpp>
#include <bulkhead/pool.hpp>
#include <bulkhead/supervisor.hpp>

#include <caf/actor.hpp>
#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>

#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace bulkhead::systems {

/// The processes, actors and supervisors of a plan, from their start to their end. Thread-safe,
/// but for stop().
class running_system {
public:
  /// First the actors that nobody supervises, in the order of the file, then the supervisors that
  /// are roots. Throws what pools, spawn and supervisors throw; nothing is left behind then.
  running_system(const system_plan& plan, teller tell);
  ~running_system();
  running_system(const running_system&) = delete;
  running_system& operator=(const running_system&) = delete;

  /// Supervisors in the reverse order, then the rest.
  void stop() noexcept;

  caf::actor_system& system() noexcept { return *system_; }
  /// By its name; empty while nobody has it.
  caf::actor actor(const std::string& name) const;
  std::size_t publish(const std::string& group, const caf::message& message) const;

  /// Until an incarnation of the child with this number, or a later one, runs. False at the
  /// deadline, and after wake().
  bool wait_for(const std::string& child, std::size_t incarnation,
                std::chrono::steady_clock::time_point until);
  void wake();

  /// Passes a line on.
  void tell(const std::string& line);
  std::size_t restarts() const;
  /// A supervisor that is a root has given up.
  bool gave_up() const;

private:
  pool& pool_for(const std::string& name);
  pool_options options_for(const std::string& name);
  void start_actor(const actor_plan& a);
  caf::message arguments_of(const actor_plan& a) const;
  caf::actor make_router(const actor_plan& a, caf::actor_system& system);
  child_spec spec_of(const std::string& child);
  std::vector<child_spec> specs_of(const supervisor_plan& s);
  supervisor_options options_of(const supervisor_plan& s);
  void join_groups();
  void on_event(const supervision_event& e);

  const system_plan& plan_;
  const teller tell_;
  std::mutex tell_mutex_; ///< one line at a time
  caf::actor_system_config config_;
  std::unique_ptr<caf::actor_system> system_;
  std::unique_ptr<names> names_;
  std::map<std::string, std::unique_ptr<pool>> pools_;
  std::map<std::string, caf::actor> actors_; ///< that nobody supervises
  std::vector<supervisor> roots_;
  mutable std::mutex mutex_; ///< guards what follows
  std::condition_variable changed_;
  std::map<std::string, std::size_t> running_; ///< incarnations of children
  std::size_t restarts_ = 0;
  bool gave_up_ = false;
  bool woken_ = false;
};

} // namespace bulkhead::systems
