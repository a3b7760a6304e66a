#pragma once

#include "runtime/system/unique_fd.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace bulkhead::engine {

/// What a host and its courier, the process that talks to the broker, tell each other.
enum class packet_kind : std::uint8_t {
  publish,   ///< to the courier: `body` to the queue `name`
  announce,  ///< to the courier: `body` to all nodes of the queue
  ack,       ///< to the courier: the delivery `number` is dealt with
  give_back, ///< to the courier: somebody else is to have the delivery `number`
  consume,   ///< to the courier: take batches, at most `number` that are not dealt with
  pause,     ///< to the courier: take no more
  look,      ///< to the courier: how is the queue `name`?
  ready,     ///< to the host: connected, the queues are there
  delivery,  ///< to the host: `body` from the own queue
  batch,     ///< to the host: `body` from a queue of tasks, to be acknowledged as `number`
  returned,  ///< to the host: `body` found no queue `name`
  blocked,   ///< to the host: the broker has an alarm (`body`) and takes nothing
  unblocked, ///< to the host: it takes messages again
  looked,    ///< to the host: `number` messages wait in the queue `name`; UINT64_MAX: it is gone
  beat,      ///< to the host: the courier is not stuck
  failed,    ///< to the host: `body` says why the connection ended; `number` is not 0 where trying
             ///< again cannot help
};

struct packet_head {
  std::uint32_t body_bytes = 0;
  std::uint16_t name_bytes = 0;
  packet_kind kind = packet_kind::beat;
  std::uint8_t unused = 0;
  std::uint64_t number = 0;
};
static_assert(sizeof(packet_head) == 16);

struct packet {
  packet_kind kind = packet_kind::beat;
  std::uint64_t number = 0;
  std::string_view name;           ///< borrowed until the next call of the stream
  std::span<const std::byte> body; ///< borrowed until the next call of the stream
};

/// One end of the socket between host and courier. Never blocks. Not thread-safe.
class packet_stream {
public:
  /// The largest body: a full batch and one large task; brokers take 128 MiB by default.
  static constexpr std::size_t most_body = std::size_t{96} << 20;

  explicit packet_stream(runtime::unique_fd socket = {});

  int fd() const noexcept { return socket_.get(); }

  /// Puts a packet behind what waits to leave. Throws std::bad_alloc.
  void put(packet_kind kind, std::uint64_t number = 0, std::string_view name = {},
           std::span<const std::byte> body = {});

  /// Bytes that wait to leave.
  std::size_t pending() const noexcept { return out_.size() - sent_; }

  /// Sends what the socket takes. False: the peer is gone.
  bool flush() noexcept;

  /// Reads what is there, up to some megabytes. False: the peer is gone; what it sent before that
  /// is still to be taken.
  bool fill();

  /// The next whole packet; false where there is none. Throws std::runtime_error where the bytes
  /// are no packet.
  bool next(packet& p);

private:
  runtime::unique_fd socket_;
  std::vector<std::byte> out_;
  std::size_t sent_ = 0;
  std::vector<std::byte> in_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::size_t wanted_ = 0; ///< of a packet that is not whole yet
};

} // namespace bulkhead::engine
