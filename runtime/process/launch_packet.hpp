#pragma once

#include "runtime/process/launch_message.hpp"
#include "runtime/process/launch_request.hpp"
#include "runtime/system/packet_socket.hpp"
#include "runtime/this_process/preload_call.hpp"

#include <cstddef>
#include <vector>

namespace bulkhead::runtime {

/// A request as it travels. `fds` are borrowed from the request and from the owners here.
struct launch_packet {
  request_head head;
  std::vector<std::byte> body;
  std::vector<int> fds;
  unique_fd control; ///< our end
  unique_fd worker_control;
  unique_fd file;
  unique_fd root;
  unique_fd directory;
};

/// Throw launch_error, and codec_error for an entry that is in no module.
launch_packet pack(const launch_request& work);
launch_packet pack(const preload_call& call);

} // namespace bulkhead::runtime
