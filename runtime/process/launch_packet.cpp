#include "runtime/process/launch_packet.hpp"

#include "runtime/process/launch_modules.hpp"
#include "runtime/process/start_bytes.hpp"
#include "runtime/standing/standing.hpp"
#include "runtime/system/launch_error.hpp"
#include "runtime/this_process/this_process.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

namespace bulkhead::runtime {

namespace {

std::uint32_t append(launch_packet& to, std::span<const std::byte> bytes) {
  to.body.insert(to.body.end(), bytes.begin(), bytes.end());
  return static_cast<std::uint32_t>(bytes.size());
}

void add_body(launch_packet& to, std::span<const std::byte> plan,
              std::span<const std::byte> start) {
  to.head.modules_bytes = append(to, encode_modules());
  to.head.plan_bytes = append(to, plan);
  to.head.start_bytes = append(to, start);
  if (to.body.size() > inline_bytes) {
    to.head.rest_in_memfd = 1;
    to.file = start_file(to.body);
    to.body.clear();
    // The receiver takes descriptors by their order; the flags in the head say which of them are
    // there.
    to.fds.push_back(to.file.get());
  }
  // Read at each launch: the host may have changed its user, groups or folder since the last one.
  const auto own = standing::now().encode();
  if (own.size() > packet_bytes - inline_bytes - sizeof to.head)
    throw launch_error{"this process has more supplementary groups than a launch can carry", E2BIG};
  to.head.standing_bytes = static_cast<std::uint32_t>(own.size());
  to.body.insert(to.body.begin(), own.begin(), own.end());
}

std::uint8_t add_optional(launch_packet& to, int fd) {
  if (fd < 0)
    return 0;
  to.fds.push_back(fd);
  return 1;
}

// The host's own stream as it is now; -1 where it has none.
int own_stream(int fd, bool closed_at_start) noexcept {
  return closed_at_start || ::fcntl(fd, F_GETFD) < 0 ? -1 : fd;
}

// What every request begins with.
void add_front(launch_packet& to, std::span<const std::byte> plan,
               std::span<const std::byte> start) {
  to.head.bounds = confinement::now();
  add_body(to, plan, start);
  to.root = name_of_folder("/");
  to.head.has_root = add_optional(to, to.root.get());
  to.directory = name_of_folder(".");
  to.head.has_directory = add_optional(to, to.directory.get());
}

} // namespace

launch_packet pack(const launch_request& work) {
  launch_packet made;
  made.head.kind = request_kind::launch;
  made.head.entry = detail::to_ref(work.entry);
  made.head.by_exec = work.method == start_method::spawn ? 1 : 0;
  made.head.setup = work.setup;
  made.head.host_pid = ::getpid();
  put_text(made.head.name, work.name);
  put_text(made.head.host_name, this_process::get().title);
  add_front(made, work.plan ? std::span{*work.plan} : std::span<const std::byte>{}, work.start);
  auto sockets = packet_socket::make();
  made.control = std::move(sockets.ours);
  made.worker_control = std::move(sockets.theirs);
  made.fds.push_back(made.worker_control.get());
  const auto& self = this_process::get();
  made.head.has_stdout = add_optional(
    made, work.stdout_fd >= 0 ? work.stdout_fd : own_stream(STDOUT_FILENO, self.stdout_closed));
  made.head.has_stderr = add_optional(
    made, work.stderr_fd >= 0 ? work.stderr_fd : own_stream(STDERR_FILENO, self.stderr_closed));
  made.fds.insert(made.fds.end(), work.fds.begin(), work.fds.end());
  return made;
}

launch_packet pack(const preload_call& call) {
  launch_packet made;
  made.head.kind = request_kind::preload;
  made.head.entry = call.entry;
  add_front(made, {}, call.bytes);
  return made;
}

} // namespace bulkhead::runtime
