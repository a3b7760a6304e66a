#pragma once

#include "tools/config/job.hpp"

#include <bulkhead/actor_options.hpp>
#include <bulkhead/supervisor_options.hpp>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace bulkhead::systems {

using config::document;
using config::json;
using config::pointer;
using config::problems;

/// What an actor or a supervisor is as somebody's child.
struct child_part {
  restart_type restart = restart_type::permanent;
  shutdown_rule shutdown;
  bool significant = false;
};

/// Which instance behind a router gets a message, in the words of the file.
enum class router_policy : std::uint8_t {
  least_loaded,
  round_robin,
  random,
  key_hash,
  to_all,
  first
};

struct actor_plan {
  std::string name;
  std::string behavior;
  bool tasks = false; ///< it is a pool of tasks
  std::vector<json> args;
  std::string pool;
  bool own_process = false;
  std::string key;
  actor_options options;
  std::size_t instances = 0;
  router_policy policy = router_policy::least_loaded;
  std::vector<std::string> groups;
  child_part as_child;
  std::size_t held_messages = 1024;
  std::size_t state_limit = 0;
  std::size_t replayed_messages = 0;
  pointer at; ///< its place in the file, as in all plans
};

struct supervisor_plan {
  std::string name;
  std::string pool;
  supervisor_options options;
  std::vector<std::string> children;
  child_part as_child;
  pointer at;
};

/// What one step of the script does.
enum class step_kind : std::uint8_t { none, ask, send, publish, kill, await, pause };

struct step_plan {
  step_kind kind = step_kind::none;
  std::string target; ///< an actor; of publish: a group
  json message = json::array();
  std::filesystem::path messages; ///< empty: `message`
  json expect;                    ///< null: any value
  std::string fails;              ///< empty: it is to succeed
  std::chrono::nanoseconds within = std::chrono::seconds{10};
  std::chrono::nanoseconds pause{};
  std::size_t retries = 0;
  std::size_t repeat = 1;
  std::size_t incarnation = 1;
  pointer at;
  config::place where;
};

struct schedule_plan {
  step_plan step;
  std::chrono::nanoseconds every{};
  std::size_t times = 0; ///< 0: no end
};

enum class fault_kind : std::uint8_t {
  none,
  before_message,
  before_reply,
  after_reply,
  hang,
  channel ///< drop, delay, corrupt
};

struct fault_plan {
  fault_kind kind = fault_kind::none;
  std::chrono::nanoseconds hang{};
  double drop = 0;
  double delay = 0;
  double corrupt = 0;
  std::string actor; ///< empty: any
  std::size_t nth = 1;
  std::size_t again = 0;
  double probability = 0; ///< above 0: in place of nth
  pointer at;
};

/// A system of actors as the runner takes it: read, complete and checked.
struct system_plan {
  std::string name;
  std::filesystem::path file;
  std::vector<std::filesystem::path> load;
  pool_options pool; ///< of who names none
  std::vector<pool_options> pools;
  std::vector<actor_plan> actors;
  std::vector<supervisor_plan> supervisors;
  std::vector<step_plan> script;
  std::vector<schedule_plan> schedule;
  std::vector<fault_plan> faults;
  std::uint64_t seed = 1;
  bool serve = false;

  /// Null where there is none.
  const actor_plan* actor(const std::string& called) const;
  const supervisor_plan* supervisor(const std::string& called) const;
  const supervisor_plan* supervisor_of(const std::string& child) const;
  /// The pool of that name; `pool` for an empty one. Null where there is none.
  const pool_options* pool_named(const std::string& called) const;
  /// The one nobody supervises, above a child or a supervisor; empty where there is none.
  std::string root_of(std::string child) const;
  /// The name of the pool that an actor lives in.
  std::string pool_of(const actor_plan& who) const;
};

} // namespace bulkhead::systems
