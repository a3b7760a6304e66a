#pragma once

#include "runtime/channel/channel_layout.hpp"
#include "runtime/channel/parcel.hpp"
#include "runtime/channel/segment_inbox.hpp"

#include <cstddef>

namespace bulkhead::runtime {

/// The worker's end of its channel: where the shared words and rings are.
struct worker_port {
  const host_page* host;
  worker_page* mine;
  const std::byte* requests;
  std::byte* answers;
  std::size_t ring_bytes;
  int event_fd;                  ///< rings the host
  segment_inbox* inbox;          ///< brings argument segments and parcels
  int control = -1;              ///< takes parcels with results to the host; of a process
  parcel_box* returns = nullptr; ///< the same of a thread
};

} // namespace bulkhead::runtime
