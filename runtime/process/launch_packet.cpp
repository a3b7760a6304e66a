#include "runtime/process/launch_packet.hpp"

#include "runtime/process/launch_modules.hpp"
#include "runtime/process/start_bytes.hpp"

namespace bulkhead::runtime {

namespace {

void add_start(launch_packet& to, std::span<const std::byte> bytes) {
  to.head.start_bytes = static_cast<std::uint32_t>(bytes.size());
  if (bytes.size() <= inline_start_bytes) {
    to.body.insert(to.body.end(), bytes.begin(), bytes.end());
    return;
  }
  to.head.start_in_memfd = 1;
  to.file = start_file(bytes);
  to.fds.push_back(to.file.get());
}

void add_modules(launch_packet& to) {
  to.body = encode_modules();
  to.head.modules_bytes = static_cast<std::uint32_t>(to.body.size());
}

std::uint8_t add_optional(launch_packet& to, int fd) {
  if (fd < 0)
    return 0;
  to.fds.push_back(fd);
  return 1;
}

} // namespace

launch_packet pack(const launch_request& work) {
  launch_packet made;
  made.head.kind = request_kind::launch;
  made.head.entry = detail::to_ref(work.entry);
  made.head.by_exec = work.method == start_method::spawn ? 1 : 0;
  made.head.setup = work.setup;
  auto sockets = packet_socket::make();
  made.control = std::move(sockets.ours);
  made.worker_control = std::move(sockets.theirs);
  made.fds.push_back(made.worker_control.get());
  made.head.has_stdout = add_optional(made, work.stdout_fd);
  made.head.has_stderr = add_optional(made, work.stderr_fd);
  add_modules(made);
  add_start(made, work.start);
  made.fds.insert(made.fds.end(), work.fds.begin(), work.fds.end());
  return made;
}

launch_packet pack(const preload_call& call) {
  launch_packet made;
  made.head.kind = request_kind::preload;
  made.head.entry = call.entry;
  add_modules(made);
  add_start(made, call.bytes);
  return made;
}

} // namespace bulkhead::runtime
