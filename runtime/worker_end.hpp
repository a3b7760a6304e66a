#pragma once

#include "runtime/channel_layout.hpp"
#include "runtime/segment_inbox.hpp"

#include <cstddef>

namespace bulkhead::runtime {

/// The worker's end of its channel: where the shared words and rings are.
struct worker_end {
  const host_page* host;
  worker_page* mine;
  const std::byte* requests;
  std::byte* answers;
  std::size_t ring_bytes;
  int event_fd;         ///< rings the host
  segment_inbox* inbox; ///< brings argument segments
};

} // namespace bulkhead::runtime
