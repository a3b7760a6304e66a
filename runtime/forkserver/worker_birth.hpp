#pragma once

#include "runtime/process/launch_message.hpp"
#include "runtime/system/unique_fd.hpp"

#include <cstddef>
#include <span>
#include <vector>

namespace bulkhead::runtime {

/// What a new worker begins with, forked or exec'ed. Descriptors are borrowed from its parent
/// where it is a fork: the clean start closes what it does not keep.
struct worker_birth {
  request_head head;
  std::span<const std::byte>
    body; ///< known modules, then start bytes unless in a memfd, the first descriptor
  std::vector<unique_fd> fds;   ///< as in the launch request
  std::span<const int> foreign; ///< numbers of files that the program or a preload had open
  bool executed = false;        ///< the program has begun anew: the files it has open are its own
  int notices = -1;
  int host = -1;
  unsigned depth = 0;
};

} // namespace bulkhead::runtime
