#pragma once

#include "tools/config/load_job.hpp"
#include "tools/console/job_log.hpp"

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

namespace bulkhead::command {

inline constexpr int wrong_call = 2;

/// How a job is shown from outside; "" each: not at all.
struct sight_request {
  std::string web;    ///< address and port of the page
  std::string trace;  ///< file
  std::string report; ///< file
};

/// What a node, and who looks for nodes, is told.
struct node_request {
  std::string url; ///< of the broker; empty: BULKHEAD_ENGINE_URL's
  std::string queue;
  std::string ca_file;
  std::string certificate_file;
  std::string key_file;
  std::size_t workers = 0;          ///< 0: as many as there are CPUs
  std::size_t max_memory = 0;       ///< of each worker, bytes; 0: no limit
  std::chrono::nanoseconds drain{}; ///< for what runs when the node is to end
  bool replicated = false;          ///< the queues of tasks are quorum queues
  std::vector<std::string> program; ///< with its arguments; empty: this command
};

/// What the command line asks for.
struct call {
  enum class kind {
    run,
    audit,
    validate,
    list,
    init,
    top,
    stack,
    events,
    node,
    cluster,
    jobs,
    attach
  };
  kind what = kind::run;
  config::request job;
  std::string folder; ///< of init
  sight_request sight;
  node_request node;
  pid_t pid = 0;       ///< of top, stack and events; 0: none was named
  std::string job_id;  ///< of attach
  bool detach = false; ///< run goes on without the terminal
  bool clear = false;  ///< jobs forgets those that ended
  bool json = false;
  bool progress = true;
  bool dry_run = false;
  bool quiet = false;
  log_options log;
};

/// Reads the command line. Where there is nothing to do any more (help, version, a mistake, all of
/// which it prints) the exit status comes back instead.
struct parsed_call {
  std::optional<call> wanted;
  int exit_status = 0;
};
parsed_call parse_call(int argc, char** argv);

} // namespace bulkhead::command
