// ctest-label: tsan
#include "actors/host/reader_turn.hpp"
#include "actors/wire/outbox.hpp"
#include "actors/wire/ring_transport.hpp"

#include <doctest/doctest.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <random>
#include <thread>
#include <vector>

using namespace bulkhead;
using namespace bulkhead::actors;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t ring_bytes = 64 * 1024;

std::span<const std::byte> bytes_of(const std::vector<std::byte>& v) {
  return {v.data(), v.size()};
}

std::vector<std::byte> piece_of(std::size_t size, std::uint64_t number) {
  std::vector<std::byte> piece(size);
  std::memcpy(piece.data(), &number, sizeof number);
  return piece;
}

/// Both ends of one channel, in this process.
struct channel {
  ring_transport host{ring_bytes};
  ring_transport worker{copies(), ring_bytes};

  std::vector<runtime::unique_fd> copies() const {
    std::vector<runtime::unique_fd> result;
    for (const int fd : host.worker_fds())
      result.emplace_back(::dup(fd));
    return result;
  }
  int worker_bell() const { return host.worker_fds()[2]; }
  void hush_worker() const {
    std::array<char, 64> rings;
    REQUIRE(::read(worker_bell(), rings.data(), rings.size()) == 8); // one ring
  }
};

bool rings(int bell) {
  pollfd polled{bell, POLLIN, 0};
  return ::poll(&polled, 1, 0) == 1;
}

std::size_t pop(transport& from, std::size_t limit = 1000) {
  std::size_t popped = 0;
  REQUIRE(from.pop(
    limit, [](auto) {}, popped));
  return popped;
}

std::size_t fill(transport& to, std::size_t size) {
  std::size_t pushed = 0;
  while (to.try_push(bytes_of(piece_of(size, pushed))))
    ++pushed;
  return pushed;
}

} // namespace

TEST_CASE("a sleeper is rung once, however much is published") {
  channel c;
  CHECK(c.host.try_push(bytes_of(piece_of(16, 0))));
  CHECK_FALSE(rings(c.worker_bell())); // it never slept
  CHECK(pop(c.worker) == 1);
  CHECK_FALSE(c.worker.fall_asleep());
  for (int i = 0; i < 3; ++i)
    CHECK(c.host.try_push(bytes_of(piece_of(16, 1))));
  c.hush_worker();
  CHECK(c.host.try_push(bytes_of(piece_of(16, 2))));
  CHECK_FALSE(rings(c.worker_bell())); // the same sleep

  CHECK(c.worker.fall_asleep()); // a new one; there is something
  CHECK(c.host.try_push(bytes_of(piece_of(16, 3))));
  CHECK(rings(c.worker_bell()));
  CHECK(pop(c.worker) == 5);
}

TEST_CASE("who wants room is rung when half of the ring is free") {
  channel c;
  const auto pieces = fill(c.host, 1000);
  c.host.want_wake();
  CHECK_FALSE(c.host.try_push(bytes_of(piece_of(1000, 0))));
  CHECK(pop(c.worker, pieces / 4) == pieces / 4);
  CHECK_FALSE(rings(c.host.bell_fd()));
  CHECK(c.host.try_push(bytes_of(piece_of(1000, 0)))); // there is some
  CHECK(pop(c.worker, pieces / 4 + 2) == pieces / 4 + 2);
  CHECK(rings(c.host.bell_fd()));
  c.host.hush();
  pop(c.worker);
  CHECK_FALSE(rings(c.host.bell_fd())); // one ring for one wish
}

TEST_CASE("who wants credit is rung by the next grant") {
  channel c;
  c.host.want_wake();
  c.worker.grant(1, 100);
  CHECK(rings(c.host.bell_fd()));
  CHECK(c.host.granted() == 1);
  CHECK(c.host.granted_bytes() == 100);
}

TEST_CASE("a leader has a bell of its own") {
  channel c;
  const auto far = transport::time_point::clock::now() + 60s;
  c.host.sleep_as_leader();
  CHECK(c.host.sleeps_as_leader());
  CHECK(c.worker.try_push(bytes_of(piece_of(16, 1))));
  CHECK_FALSE(rings(c.host.bell_fd()));
  CHECK(c.host.wait_as_leader(far));
  CHECK_FALSE(c.host.sleeps_as_leader());
  CHECK(pop(c.host) == 1);

  CHECK_FALSE(c.host.wait_as_leader(transport::time_point::clock::now() + 1ms));
  c.host.wake();
  CHECK(c.host.wait_as_leader(far));

  std::thread peer{[&] { c.worker.try_push(bytes_of(piece_of(16, 2))); }};
  while (!c.host.has_piece())
    CHECK(c.host.wait_as_leader(far));
  peer.join();
  CHECK_FALSE(rings(c.host.bell_fd()));
}

TEST_CASE("frames behind a full ring keep their order and lose no wake") {
  channel c;
  outbox out{c.host, 0, 0};
  std::vector<std::uint64_t> got;
  const auto drain = [&] {
    std::size_t popped = 0;
    REQUIRE(c.worker.pop(
      1,
      [&](std::span<const std::byte> p) {
        std::uint64_t number = 0;
        std::memcpy(&number, p.data(), sizeof number);
        got.push_back(number);
      },
      popped));
    return popped != 0;
  };
  constexpr std::uint64_t frames = 500;
  for (std::uint64_t i = 0; i < frames; ++i) {
    outbox::item item;
    item.bytes.resize(1000);
    std::memcpy(item.bytes.data(), &i, sizeof i);
    out.push(item);
  }
  CHECK(out.waiting() > frames / 2);
  while (drain())
    if (rings(c.host.bell_fd())) {
      c.host.hush();
      out.flush();
    }
  CHECK(out.waiting() == 0);
  REQUIRE(got.size() == frames);
  for (std::uint64_t i = 0; i < frames; ++i)
    CHECK(got[i] == i);
}

// An echo of pieces of all sizes; each side sleeps whenever it finds nothing, so that a wake that
// is lost hangs the test.
TEST_CASE("two sides that sleep between any two steps lose nothing") {
  channel c;
  constexpr std::uint64_t pieces = 20'000;
  std::thread echo{[&] {
    std::vector<std::vector<std::byte>> back;
    std::uint64_t echoed = 0;
    while (echoed < pieces) {
      std::size_t popped = 0;
      if (!c.worker.pop(
            7, [&](auto p) { back.emplace_back(p.begin(), p.end()); }, popped))
        return;
      while (!back.empty() && c.worker.try_push(bytes_of(back.front()))) {
        back.erase(back.begin());
        ++echoed;
      }
      if (!back.empty())
        c.worker.want_wake();
      if (!back.empty() && c.worker.try_push(bytes_of(back.front()))) {
        back.erase(back.begin());
        ++echoed;
      } else if (popped == 0) {
        c.worker.wait(back.empty() ? transport::until::piece_or_wake : transport::until::wake,
                      transport::time_point::max());
      }
    }
  }};
  std::mt19937 random{11};
  std::uint64_t sent = 0;
  std::uint64_t seen = 0;
  bool ordered = true;
  while (seen < pieces) {
    const auto size = 8 + random() % (random() % 50 == 0 ? 12'000 : 200);
    if (sent < pieces && sent - seen < 300 && c.host.try_push(bytes_of(piece_of(size, sent))))
      ++sent;
    std::size_t popped = 0;
    REQUIRE(c.host.pop(
      random() % 4,
      [&](std::span<const std::byte> p) {
        std::uint64_t number = 0;
        std::memcpy(&number, p.data(), sizeof number);
        ordered = ordered && number == seen++;
      },
      popped));
    if (random() % 3 == 0 && sent != seen && !c.host.has_piece()) {
      if (random() % 2 == 0) {
        while (!c.host.has_piece())
          c.host.wait_as_leader(transport::time_point::max());
      } else if (!c.host.fall_asleep()) {
        pollfd bell{c.host.bell_fd(), POLLIN, 0};
        ::poll(&bell, 1, -1);
        c.host.hush();
        c.host.stay_awake();
      }
    }
  }
  echo.join();
  CHECK(ordered);
}

TEST_CASE("a reader that was called does not sleep") {
  reader_turn turn;
  REQUIRE(turn.try_enter());
  int sleeps = 0;
  const auto nap = [&] {
    ++sleeps;
    return false;
  };
  CHECK_FALSE(turn.sleep(nap));
  CHECK_FALSE(turn.try_enter_or_note());
  CHECK(turn.sleep(nap));
  CHECK(sleeps == 1);
  CHECK(turn.take_note());
  CHECK_FALSE(turn.take_note());
  CHECK_FALSE(turn.sleep(nap));
  CHECK_FALSE(turn.leave());
}

TEST_CASE("who claims the turn rouses the reader") {
  reader_turn turn;
  REQUIRE(turn.try_enter());
  std::atomic<bool> roused = false;
  std::thread claimer;
  CHECK(turn.sleep([&] {
    claimer = std::thread{[&] {
      turn.enter([&] {
        roused = true;
        roused.notify_all();
      });
      turn.leave();
    }};
    roused.wait(false);
    return true;
  }));
  CHECK(turn.claimed());
  turn.leave();
  claimer.join();
  CHECK_FALSE(turn.claimed());
}
