#pragma once

#include "runtime/this_process/preload_call.hpp"

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

namespace bulkhead::runtime {

class reactor;
class forkserver;
class child;

/// What exists once in a process. Made at first use and never destroyed, so that pools in static
/// storage may use it at any time. A process that the library forks gets a new one: what it
/// inherited belongs to its parent and is forgotten, locks included.
struct process_state {
  /// Throws config_error in a copy made by fork() behind our back.
  static process_state& mine();

  /// In a copy made by fork() that is to become a host of its own: closes the descriptors of the
  /// forkserver that its parent has. Single-threaded.
  static void leave_to_parent() noexcept;

  std::uint64_t identity = 0;
  std::mutex mutex; ///< guards what follows; never held across a call that may block
  std::weak_ptr<reactor> running;
  std::shared_ptr<forkserver> common;
  std::vector<pid_t> own_threads;
  std::vector<std::weak_ptr<child>> children; ///< the living among them, and some that were

  /// Never throws: without memory it is not listed.
  void note_child(const std::shared_ptr<child>& made) noexcept;

  std::timed_mutex starting;          ///< held while a forkserver is started; guards preloads
  std::vector<preload_call> preloads; ///< for a forkserver that replaces another
};

} // namespace bulkhead::runtime
