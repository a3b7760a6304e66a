#pragma once

#include "runtime/process/worker_setup.hpp"
#include "runtime/process/worker_start.hpp"
#include "runtime/sandbox/compile_policy.hpp"

#include <bulkhead/options.hpp>

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

namespace bulkhead::runtime {

class forkserver;

/// What launch starts.
struct launch_request {
  start_method method = start_method::forkserver; ///< forkserver, spawn, or fork with `server`
  worker_entry entry = nullptr;                   ///< in any loaded module; runs in the new process
  std::vector<std::byte> start = {};              ///< handed to entry; at most max_start_bytes
  std::vector<int> fds = {}; ///< borrowed; arrive in this order; at most max_launch_fds
  int stdout_fd = -1;        ///< borrowed; -1: the host's own of this moment
  int stderr_fd = -1;
  worker_setup setup = {};
  std::string name = {}; ///< for people; the first 63 bytes travel
  std::shared_ptr<const std::vector<std::byte>> plan =
    {};                                      ///< of its sandbox; null: none; confine()
  std::shared_ptr<sandbox_audit> audit = {}; ///< where to note what it does; null: nowhere
  std::shared_ptr<forkserver> server = {};   ///< null: the process-wide one; see copy_host

  void confine(const sandbox::packed_plan& of) {
    plan = of.bytes;
    setup.sandbox_asked = of.asked;
    audit = of.audit;
    setup.sandbox_audited = audit != nullptr;
  }
};

} // namespace bulkhead::runtime
