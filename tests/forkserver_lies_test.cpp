// A forkserver that answers nonsense: it is killed, the launch is refused, nothing is left.
#include "runtime/forkserver/forkserver.hpp"
#include "runtime/forkserver/launch.hpp"
#include "runtime/process/launch_message.hpp"
#include "runtime/system/descriptors.hpp"
#include "runtime/system/launch_error.hpp"
#include "runtime/system/packet_socket.hpp"
#include "tests/support/leak_guard.hpp"

#include <doctest/doctest.h>

#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstring>
#include <functional>
#include <memory>
#include <span>
#include <thread>
#include <vector>

using namespace bulkhead::runtime;
using namespace bulkhead::tests;
using namespace std::chrono_literals;

namespace {

std::chrono::steady_clock::time_point soon() { return std::chrono::steady_clock::now() + 10s; }

/// A process that does nothing: what the host kills in the liar's place.
pid_t start_idle_process() {
  const auto pid = ::fork();
  if (pid == 0)
    for (;;)
      ::pause();
  return pid;
}

/// What the liar sends: an honest answer, changed.
struct reply {
  reply_head head;
  std::size_t bytes = sizeof head;
  std::vector<int> fds;
};

void answer_one(int socket, int pidfd, const std::function<void(reply&)>& change) {
  std::vector<std::byte> room(packet_bytes);
  static_cast<void>(packet_socket::receive(socket, room, soon()));
  request_head asked;
  std::memcpy(&asked, room.data(), sizeof asked);
  reply r;
  r.head.sequence = asked.sequence;
  r.head.pid = 1'000'000'000; // nobody's
  r.fds = {pidfd};
  change(r);
  packet_socket::send(socket, bytes_of(r.head).first(r.bytes), {}, r.fds, soon());
}

void serve(worker_start&) {}

/// Whether a launch through a forkserver with this answer is refused, and the forkserver given up.
bool refused(const std::function<void(reply&)>& change) {
  auto requests = packet_socket::make();
  auto notices = packet_socket::make();
  forkserver_link link;
  link.request = std::move(requests.ours);
  link.notices = std::move(notices.ours);
  link.pid = start_idle_process();
  link.pidfd = open_pidfd(link.pid);
  const unique_fd process = open_pidfd(link.pid);
  std::thread liar{[&] { answer_one(requests.theirs.get(), process.get(), change); }};
  bool given_up = false;
  {
    const auto server = std::make_shared<forkserver>(std::move(link));
    launch_request request;
    request.entry = &serve;
    try {
      server->start(request, {}, soon());
    } catch (const launch_error&) {
      given_up = !server->usable();
    }
    liar.join();
  }
  send_signal(process.get(), SIGKILL); // where nobody gave it up
  return given_up;
}

} // namespace

TEST_CASE("an answer of the wrong size or kind, or without a process, costs the forkserver") {
  const leak_guard guard;
  CHECK(refused([](reply& r) { r.bytes = 32; }));
  CHECK(refused([](reply& r) { r.bytes = sizeof r.head - 1; }));
  CHECK(refused([](reply& r) { r.head.magic = 7; }));
  CHECK(refused([](reply& r) { r.fds.clear(); }));
  CHECK(refused([](reply& r) { r.fds.push_back(r.fds.front()); }));
  CHECK(refused([](reply& r) { r.head.pid = 0; }));
  CHECK(refused([](reply& r) { r.head.pid = -1; }));
}
