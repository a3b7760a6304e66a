// ctest-label: fault
// ctest-timeout: 300
// A worker that attacks by other ways than its answers: shared memory, descriptors, wake-ups,
// silence. The host serves on.
#include "tests/support/evil_worker.hpp"
#include "tests/support/hostile_pool.hpp"
#include "tests/support/leak_guard.hpp"
#include "tests/support/own_usage.hpp"

#include <bulkhead/tasks.hpp>

#include <doctest/doctest.h>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

using namespace bulkhead;
using namespace bulkhead::tests;
using namespace bulkhead::runtime;
using namespace std::chrono_literals;

TEST_CASE("a claim record of garbage at death: what was there may have run, nothing runs twice") {
  const leak_guard guard;
  pool p{two_workers()};
  for (const std::uint64_t garbage :
       {std::uint64_t{0x123456789abcdef0}, ~std::uint64_t{0}, ~std::uint64_t{3} - 4}) {
    const auto before = p.stats().bad_messages;
    auto f = p.submit(
      [](std::uint64_t claim) {
        evil_worker{}.page().claim.store(claim);
        ::raise(SIGKILL);
      },
      garbage);
    REQUIRE(f.wait(60s));
    CHECK(f.outcome().failure().kind == failure_kind::worker_died);
    CHECK(f.outcome().failure().may_have_executed);
    CHECK(p.stats().bad_messages == before + 1);
    CHECK(p.apply([] { return 1; }) == 1);
  }
}

TEST_CASE("a recorder of garbage at death is shown with care") {
  const leak_guard guard;
  pool p{two_workers()};
  auto f = p.submit([] {
    evil_worker w;
    std::memset(static_cast<void*>(&w.page().recorder), 0xee, sizeof w.page().recorder);
    ::raise(SIGKILL);
  });
  REQUIRE(f.wait(60s));
  CHECK(f.outcome().failure().exit.signal == SIGKILL);
  CHECK(to_string(f.outcome().failure()).size() < 100'000);
}

TEST_CASE("the worker cannot change the host's segment nor resize any") {
  const leak_guard guard;
  pool p{two_workers()};
  const auto errors = p.apply([] {
    std::vector<int> all;
    const auto note = [&](bool refused) { all.push_back(refused ? errno : 0); };
    evil_worker w;
    note(::mprotect(w.host_page(), page_bytes, PROT_READ | PROT_WRITE) != 0);
    for (const int fd : evil_worker::memfds()) {
      note(::ftruncate(fd, 4096) != 0);
      note(::ftruncate(fd, 64 << 20) != 0);
    }
    return all;
  });
  CHECK(errors.size() >= 1);
  for (const int error : errors)
    CHECK((error == EPERM || error == EACCES));
  auto f = p.submit([] { *reinterpret_cast<volatile char*>(evil_worker{}.host_page()) = 1; });
  REQUIRE(f.wait(60s));
  CHECK(f.outcome().failure().exit.signal == SIGSEGV);
  CHECK(p.apply([] { return 1; }) == 1);
}

TEST_CASE("descriptors and packets on the control socket reach nobody") {
  const leak_guard guard;
  pool p{two_workers()};
  p.broadcast([] {});
  const auto descriptors = own_descriptors();
  auto f = p.submit([] {
    const int socket = evil_worker::control_socket();
    std::array<char, CMSG_SPACE(253 * sizeof(int))> control{};
    for (const std::size_t count : {1U, 2U, 253U})
      for (int again = 0; again < 50; ++again) {
        std::array<char, 4000> data{};
        iovec part{data.data(), again % 2 == 0 ? data.size() : 1};
        msghdr message{};
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        message.msg_control = control.data();
        message.msg_controllen = CMSG_SPACE(count * sizeof(int));
        auto* header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(count * sizeof(int));
        std::vector<int> fds(count, 0);
        std::memcpy(CMSG_DATA(header), fds.data(), count * sizeof(int));
        if (::sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
          break;
      }
  });
  REQUIRE(f.wait(60s));
  for (int i = 0; i < 50; ++i)
    CHECK(p.apply([](int x) { return x; }, i) == i);
  CHECK(own_descriptors() <= descriptors + 1);
}

TEST_CASE("a worker that floods its wake-up, and makes it block, holds nobody up") {
  const leak_guard guard;
  pool p{two_workers()};
  std::atomic<bool> never{false};
  auto flood = p.with({.timeout = 500ms}).submit([] {
    const int fd = evil_worker::eventfd();
    ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) & ~O_NONBLOCK);
    std::thread reader{[fd] { // takes the host's wake-ups away under its hands
      for (std::uint64_t rings = 0; ::read(fd, &rings, sizeof rings) > 0;) {
      }
    }};
    for (std::uint64_t one = 1; ::write(fd, &one, sizeof one) > 0;) {
    }
    reader.join();
  });
  int served = 0;
  while (!flood.ready()) {
    REQUIRE(p.submit([](int x) { return x; }, served).get(60s) == served);
    ++served;
  }
  CHECK(served > 0);
  CHECK(flood.outcome().failure().exit.cause == exit_cause::timed_out);
}

TEST_CASE("a worker whose task closes its doorbell ends, and what it answered counts") {
  const leak_guard guard;
  pool p{two_workers()};
  for (int round = 0; round < 5; ++round) {
    auto f = p.submit(
      [](int x) {
        ::close(evil_worker::eventfd());
        const timespec longer_than_a_spin{0, 20'000'000};
        ::nanosleep(&longer_than_a_spin, nullptr);
        return x;
      },
      round);
    REQUIRE(f.wait(patience()));
    CHECK(f.successful());
    CHECK(f.get() == round);
  }
}

TEST_CASE("a worker whose task closes every descriptor is replaced") {
  const leak_guard guard;
  pool p{two_workers()};
  auto f = p.submit([] {
    for (int fd = 0; fd < 1024; ++fd)
      ::close(fd);
    wait_for_the_end();
  });
  REQUIRE(f.wait(60s));
  CHECK(f.outcome().failure().kind == failure_kind::worker_died);
  CHECK(p.apply([] { return 1; }) == 1);
}

TEST_CASE(
  "a worker that beats and does not begin what it was sent is unresponsive; others run it") {
  const leak_guard guard;
  auto o = two_workers();
  o.workers = 1;
  o.unresponsive_after = 500ms;
  pool p{o};
  auto evil = p.submit([] {
    const evil_worker w;
    w.say(answer_kind::result, w.own_position());
    std::this_thread::sleep_for(24h);
  });
  REQUIRE(evil.wait(patience()));
  CHECK(evil.outcome().has_value());
  auto next = p.submit([] { return 1; });
  REQUIRE(next.wait(patience()));
  CHECK(next.outcome().has_value()); // it had not begun, so it could move
  CHECK(p.stats().restarts >= 1);
}

namespace {

/// Leaves a thread in the worker that changes what was just published.
void start_flipping() {
  std::thread([] {
    evil_worker w;
    for (std::uint32_t x = 1;; x = x * 1664525 + 1013904223)
      *w.at(w.tail() - x % 4096) ^= static_cast<std::byte>(x >> 24);
  }).detach();
}

} // namespace

TEST_CASE("bytes that change while the host reads them do not hurt it") {
  const leak_guard guard;
  pool p{two_workers()};
  std::size_t values = 0;
  std::size_t failures = 0;
  for (int round = 0; round < 1000; ++round) {
    if (round % 20 == 0) // the last one was found out
      p.submit(start_flipping).wait();
    auto f = p.submit([](int x) { return std::vector<std::string>(20, std::to_string(x)); }, round);
    REQUIRE(f.wait(60s));
    ++(f.outcome().has_value() ? values : failures);
  }
  CHECK(values + failures == 1000);
  MESSAGE(values << " values, " << failures << " failures, " << p.stats().bad_messages
                 << " bad messages");
}
