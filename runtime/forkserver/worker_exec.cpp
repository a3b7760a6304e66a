#include "runtime/forkserver/worker_exec.hpp"

#include "runtime/process/worker_start.hpp"
#include "runtime/system/descriptors.hpp"
#include "runtime/system/launch_error.hpp"
#include "runtime/system/packet_socket.hpp"
#include "runtime/this_process/this_process.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

namespace bulkhead::runtime {

namespace {

using namespace std::chrono_literals;

template <class T>
void append(std::vector<std::byte>& to, const T& value) {
  const auto bytes = bytes_of(value);
  to.insert(to.end(), bytes.begin(), bytes.end());
}

void send_birth(int socket, const worker_birth& birth) {
  std::vector<std::byte> head;
  append(head, hop_head{.depth = birth.depth});
  append(head, birth.head);
  std::vector<int> fds{birth.notices, birth.host, this_process::get().exe};
  for (const auto& fd : birth.fds)
    fds.push_back(fd.get());
  const auto deadline = std::chrono::steady_clock::now();
  if (const auto error = packet_socket::send(socket, head, birth.body, fds, deadline); error != 0)
    throw launch_error{"sendmsg to a new worker", error};
}

// Between fork and exec, in a copy of a process that may have threads: only async-signal-safe
// calls.
[[noreturn]] void become(int exe, int socket, char* const* arguments, int notices) noexcept {
  ::fcntl(socket, F_SETFD, 0);
  ::execveat(exe, "", arguments, environ, AT_EMPTY_PATH);
  notice failed;
  failed.kind = notice_kind::start_failed;
  failed.pid = ::getpid();
  failed.status = errno;
  put_text(failed.text, "execveat of the program failed");
  packet_socket::send_now(notices, bytes_of(failed), {});
  ::_exit(exit_start_failed);
}

} // namespace

pid_t exec_worker(const worker_birth& birth) {
  auto& self = this_process::get();
  if (self.exe < 0)
    throw launch_error{"no worker can be exec'ed: /proc/self/exe could not be opened at the start"};
  const auto hop = packet_socket::make();
  // The packet lies in the socket before there is anybody to read it: after fork() nothing may be
  // allocated, and the deadline of now never waits.
  send_birth(hop.ours.get(), birth);
  auto words = self.command(worker_mark, hop.theirs.get());
  std::vector<char*> arguments;
  arguments.reserve(words.size() + 1);
  for (auto& word : words)
    arguments.push_back(word.data());
  arguments.push_back(nullptr);
  const auto pid = ::fork();
  if (pid == 0)
    become(self.exe, hop.theirs.get(), arguments.data(), birth.notices);
  if (pid < 0)
    throw launch_error{"fork", errno};
  return pid;
}

bool receive_birth(int socket, std::vector<std::byte>& packet, worker_birth& birth) {
  packet.resize(packet_bytes);
  auto got = packet_socket::receive(socket, packet, std::chrono::steady_clock::now() + 5s);
  hop_head hop{.magic = 0};
  constexpr auto heads = sizeof hop + sizeof birth.head;
  if (got.error != 0 || got.bytes < heads || got.fds.size() < 4)
    return false;
  std::memcpy(&hop, packet.data(), sizeof hop);
  std::memcpy(&birth.head, packet.data() + sizeof hop, sizeof birth.head);
  if (hop.magic != message_magic || birth.head.magic != message_magic)
    return false;
  birth.body = std::span{packet}.first(got.bytes).subspan(heads);
  birth.depth = hop.depth;
  birth.executed = true;
  birth.notices = got.fds[0].release();
  birth.host = got.fds[1].release();
  auto& self = this_process::get();
  self.exe = got.fds[2].release();
  self.exe_mark = fd_mark{self.exe};
  for (auto fd = got.fds.begin() + 3; fd != got.fds.end(); ++fd)
    birth.fds.push_back(std::move(*fd));
  return true;
}

} // namespace bulkhead::runtime
