#pragma once

#include <string>
#include <vector>

namespace bulkhead::runtime {

/// What this process is in the family. Written by init and at a worker's start, both
/// single-threaded; constant afterwards.
struct this_process {
  enum class role { not_initialised, host, forkserver, worker };

  static this_process& get();

  role kind = role::not_initialised;
  unsigned depth = 0; ///< 0: the user's program; each worker is one deeper than its host
  int exe = -1;       ///< our own binary, opened at the start; -1: /proc was not there
  std::string name;   ///< argv[0]
  std::vector<std::string> environment; ///< as it was in init, for each process made by exec

  /// Throws config_error that says which line to add.
  static void require_init();
};

/// argv[1] of processes that the library makes by exec; argv[2] is a descriptor.
inline constexpr const char* forkserver_mark = "--bulkhead-forkserver";
inline constexpr const char* worker_mark = "--bulkhead-worker";

} // namespace bulkhead::runtime
