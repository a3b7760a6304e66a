#pragma once

#include "engine/courier/broker_error.hpp"
#include "engine/courier/settings.hpp"

#include <amqp.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace bulkhead::engine {

/// Something that the broker said.
struct broker_event {
  enum class kind : std::uint8_t {
    none,  ///< there is nothing more now
    other, ///< nothing that concerns anybody
    delivery,
    batch,
    returned,
    blocked,
    unblocked
  };

  kind what = kind::none;
  std::uint64_t tag = 0;             ///< of a batch
  std::string name = {};             ///< of a queue that is not there
  std::span<const std::byte> body{}; ///< borrowed until the next call
};

/// One connection to RabbitMQ, in the process of a courier. Waits at most as long as a handshake or
/// an answer of the broker may take; publishing to a broker that reads nothing blocks for ever,
/// which is why the host looks at the courier's beats. Every call throws broker_error.
class broker {
public:
  explicit broker(const courier_settings& settings);
  broker(const broker&) = delete;
  broker& operator=(const broker&) = delete;
  ~broker();

  int fd() const noexcept;
  /// Something is to be had from next() though the socket may be silent.
  bool has_more() noexcept;
  /// Takes one thing that the broker said, without waiting; sends heartbeats that are due.
  broker_event next();

  void publish(std::string_view exchange, std::string_view queue, std::span<const std::byte> body);
  void announce(std::span<const std::byte> body) { publish(settings_.exchange, {}, body); }
  void ack(std::uint64_t tag);
  void give_back(std::uint64_t tag);
  void consume(std::uint16_t most);
  void pause();
  /// Messages that wait in the queue; UINT64_MAX: it is gone.
  std::uint64_t look(const std::string& queue);

private:
  void connect();
  void log_in(const amqp_connection_info& where);
  void make_queues();
  broker_event on_method(const amqp_frame_t& frame);
  void read_body(amqp_channel_t channel);
  void expect(const std::string& doing);
  void sent(int status);

  courier_settings settings_;
  amqp_connection_state_t state_ = nullptr;
  amqp_message_t message_{};
  bool holds_message_ = false;
  bool consumes_ = false;
  std::uint64_t generation_ = 0; ///< of the consumers of tasks
};

} // namespace bulkhead::engine
