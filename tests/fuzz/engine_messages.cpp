// What nodes, and whoever may publish to a pool's queue, say to a submitter: messages one behind
// the other, each behind its 16-bit length. Each task ends once, whatever they are.
#include "engine/submitter/submitter.hpp"
#include "engine/wire/failure_record.hpp"
#include "tests/fuzz/require.hpp"

#include <cstdint>
#include <cstring>
#include <memory>
#include <set>
#include <span>
#include <string>

using namespace bulkhead;
using namespace bulkhead::engine;

namespace {

constexpr std::uint32_t tasks = 12;

struct counting_sink final : detail::task_sink {
  std::set<std::uint64_t> ended;

  void end(std::uint64_t item) { require(item < tasks && ended.insert(item).second); }
  void on_value(std::uint64_t item, std::span<const std::byte>) noexcept override { end(item); }
  void on_failure(std::uint64_t item, failure&& f) noexcept override {
    require(is_printable(f.message) && is_printable(f.type) && is_printable(f.backtrace));
    end(item);
  }
};

detail::work make_work(std::shared_ptr<counting_sink> sink) {
  detail::work w;
  w.stub = {7, 7};
  w.item_bytes = 4;
  w.items = tasks;
  w.body.grow(4 * std::size_t{tasks});
  w.sink = std::move(sink);
  return w;
}

/// What a node would do with it.
void read_as_node(std::span<const std::byte> message) {
  try {
    for (const auto& p : unpack<batch_message>(message).pieces)
      if (sound(p))
        require(part_of(p, p.count - 1, 1).count == 1);
  } catch (const error&) { // it is none
  }
  try {
    unpack<grant_message>(message);
    unpack<stop_message>(message);
  } catch (const error&) { // it is none
  }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  pool_options options;
  options.retries = 1;
  const auto sink = std::make_shared<counting_sink>();
  submitter_ports ports;
  ports.publish = [](const std::string&, const packed_bytes&) {};
  ports.announce = [](const packed_bytes&) {};
  ports.look = [](const std::string&) {};
  ports.tell = [](const pool_event& e) { require(is_printable(e.text)); };
  ports.ended = [](std::uint64_t) {};
  time_point now{std::chrono::hours{1}};
  submitter s("pool", {.url = "amqp://x", .queue = "q"}, options, ports);
  s.on_connected(now);
  s.submit(make_work(sink), now);
  while (s.send_batch(now)) {
  }
  auto rest = std::as_bytes(std::span(data, size));
  while (rest.size() > 2) {
    std::uint16_t length = 0;
    std::memcpy(&length, rest.data(), sizeof length);
    rest = rest.subspan(sizeof length);
    const auto message = rest.first(std::min<std::size_t>(length, rest.size()));
    rest = rest.subspan(message.size());
    if (message.size() >= sizeof(message_kind)) {
      read_as_node(message);
      s.on_returned(message, now);
    }
    s.on_message(message, now);
    now += std::chrono::seconds{1};
    s.on_time(now, true);
    while (s.send_batch(now)) {
    }
  }
  s.end_all(failure{});
  require(s.at_rest() && sink->ended.size() == tasks);
  return 0;
}
