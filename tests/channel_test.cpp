// The host's end of a channel, told lies by a peer in the same process: no worker, no waiting.
#include "runtime/channel/channel.hpp"
#include "runtime/channel/segment_inbox.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

using namespace bulkhead::runtime;

namespace {

constexpr std::size_t ring_bytes = 4096;

/// A channel whose peer is the test: what a thread of the host can write, it can.
struct fixture {
  channel link{ring_bytes, channel::peer::thread};
  segment_inbox inbox;
  worker_port peer = link.thread_end(inbox);
  std::vector<std::string_view> taken; ///< payloads

  std::uint64_t tail() const { return peer.mine->ans_tail; }

  /// Writes a header behind the last answer and publishes `published` bytes.
  void say(std::uint32_t size, std::uint32_t payload, std::uint64_t published) {
    answer_header h{};
    h.size = size;
    h.kind = answer_kind::result;
    h.bytes = payload;
    std::memcpy(peer.answers + tail() % ring_bytes, &h, sizeof h);
    peer.mine->ans_tail += published;
  }

  channel::drained drain(std::size_t limit = 8) {
    return link.drain(limit, [this](const answer& a) {
      taken.emplace_back(reinterpret_cast<const char*>(a.payload.data()), a.payload.size());
      return true;
    });
  }

  bool finds_nothing_but_a_lie() { return drain() == channel::drained::bad && taken.empty(); }
};

} // namespace

TEST_CASE("answers of every size are taken, across the end of the ring too") {
  fixture f;
  std::uint64_t total = 0;
  for (std::uint32_t payload = 0; payload < ring_bytes - sizeof(answer_header); payload += 13) {
    const auto size = static_cast<std::uint32_t>(round_up_8(sizeof(answer_header) + payload));
    f.say(size, payload, size);
    REQUIRE(f.drain() == channel::drained::all);
    total += size;
    REQUIRE(f.taken.back().size() == payload);
    REQUIRE(f.peer.host->ans_head == total);
  }
}

TEST_CASE("a tail that cannot be is refused before anything is taken") {
  for (const std::int64_t by : {std::int64_t{ring_bytes + 32}, std::int64_t{-32}, std::int64_t{36},
                                std::int64_t{33}, std::int64_t{-1}}) {
    CAPTURE(by);
    fixture f;
    f.say(32, 0, static_cast<std::uint64_t>(by));
    CHECK(f.finds_nothing_but_a_lie());
  }
}

TEST_CASE("a size that cannot be is refused before anything is taken") {
  struct lie {
    std::uint32_t size;
    std::uint32_t payload;
    std::uint64_t published;
  };
  constexpr std::uint32_t most = ~std::uint32_t{0};
  for (const auto& [size, payload, published] :
       {lie{0, 0, 32}, lie{1, 0, 32}, lie{24, 0, 32}, lie{31, 0, 32}, lie{36, 0, 40},
        lie{64, 0, 32}, lie{32, 0, 8}, lie{32, 0, 24}, lie{most - 7, 0, 64}, lie{40, 9, 40},
        lie{32, 1, 32}, lie{40, most, 40}}) {
    CAPTURE(size);
    CAPTURE(payload);
    fixture f;
    f.say(size, payload, published);
    CHECK(f.finds_nothing_but_a_lie());
  }
}

TEST_CASE("a lie behind honest answers does not take them back") {
  fixture f;
  f.say(32, 0, 32);
  f.say(0, 0, 32);
  CHECK(f.drain() == channel::drained::bad);
  CHECK(f.taken.size() == 1);
}
