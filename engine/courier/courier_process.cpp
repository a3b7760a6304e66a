#include "engine/courier/courier_process.hpp"

#include "engine/courier/broker.hpp"
#include "engine/courier/packet.hpp"

#include <chrono>
#include <cstring>

#include <fcntl.h>
#include <poll.h>

// One connection, one life: whatever goes wrong is told to the host and ends the process, and the
// host starts another one. So nothing here has to be undone.
namespace bulkhead::engine {

namespace {

using clock = std::chrono::steady_clock;
constexpr auto between_beats = std::chrono::milliseconds{500};
constexpr std::size_t most_pending = std::size_t{4} << 20;

std::span<const std::byte> bytes_of(std::string_view text) noexcept {
  return std::as_bytes(std::span(text.data(), text.size()));
}

class carrier {
public:
  carrier(packet_stream& host, const courier_settings& settings) : host_(host), broker_(settings) {
    host_.put(packet_kind::ready);
  }

  void run() {
    while (true) {
      if (clock::now() >= next_beat_) {
        host_.put(packet_kind::beat);
        next_beat_ = clock::now() + between_beats;
      }
      if (!host_.flush())
        return;
      if (!wait())
        return;
      // What the broker takes back comes before more is given to it. While it has an alarm nothing
      // is: the socket to the host fills, and the host holds back.
      hear();
      if (!blocked_ && !obey())
        return;
    }
  }

private:
  // False: the host is gone, which while nothing is read from it only poll tells.
  bool wait() {
    const bool takes = host_.pending() < most_pending;
    const auto wish =
      static_cast<short>((blocked_ ? 0 : POLLIN) | (host_.pending() != 0 ? POLLOUT : 0));
    pollfd watched[] = {{host_.fd(), wish, 0},
                        {broker_.fd(), static_cast<short>(takes ? POLLIN : 0), 0}};
    const int most = static_cast<int>(between_beats / std::chrono::milliseconds{1});
    ::poll(watched, 2, takes && (broker_.has_more() || more_orders_) ? 0 : most);
    return !blocked_ || (watched[0].revents & (POLLHUP | POLLERR)) == 0;
  }

  void hear() {
    using kind = broker_event::kind;
    while (host_.pending() < most_pending) {
      const auto event = broker_.next();
      switch (event.what) {
      case kind::none:
        // An answer that was waited for may have left others behind it.
        if (!broker_.has_more())
          return;
        break;
      case kind::other:
        break;
      case kind::delivery:
        host_.put(packet_kind::delivery, 0, {}, event.body);
        break;
      case kind::batch:
        host_.put(packet_kind::batch, event.tag, {}, event.body);
        break;
      case kind::returned:
        host_.put(packet_kind::returned, 0, event.name, event.body);
        break;
      case kind::blocked:
        blocked_ = true;
        host_.put(packet_kind::blocked, 0, {}, bytes_of(event.name));
        break;
      case kind::unblocked:
        blocked_ = false;
        host_.put(packet_kind::unblocked);
        break;
      }
    }
  }

  // False: the host is gone. A bounded number at a time, so that the broker is heard in between.
  bool obey() {
    const bool there = host_.fill();
    packet p;
    more_orders_ = true;
    for (int i = 0; i < 64; ++i) {
      if (!host_.next(p)) {
        more_orders_ = false;
        return there;
      }
      carry_out(p);
    }
    return true;
  }

  void carry_out(const packet& p) {
    switch (p.kind) {
    case packet_kind::publish:
      return broker_.publish({}, p.name, p.body);
    case packet_kind::announce:
      return broker_.announce(p.body);
    case packet_kind::ack:
      return broker_.ack(p.number);
    case packet_kind::give_back:
      return broker_.give_back(p.number);
    case packet_kind::consume:
      return broker_.consume(static_cast<std::uint16_t>(p.number));
    case packet_kind::pause:
      return broker_.pause();
    case packet_kind::look: {
      const std::string queue{p.name};
      return host_.put(packet_kind::looked, broker_.look(queue), queue);
    }
    default:
      return;
    }
  }

  packet_stream& host_;
  broker broker_;
  bool blocked_ = false;
  bool more_orders_ = false;
  clock::time_point next_beat_{};
};

// The host reads until the end, so the reason arrives before it.
void tell_end(packet_stream& host, std::string_view why, bool is_final) {
  host.put(packet_kind::failed, is_final ? 1 : 0, {}, bytes_of(why));
  const auto until = clock::now() + std::chrono::seconds{2};
  while (host.flush() && host.pending() != 0 && clock::now() < until) {
    pollfd watched{host.fd(), POLLOUT, 0};
    ::poll(&watched, 1, 100);
  }
}

} // namespace

void run_courier(courier_settings settings, descriptor socket) {
  packet_stream host{runtime::unique_fd{::fcntl(socket.fd(), F_DUPFD_CLOEXEC, 3)}};
  try {
    carrier{host, settings}.run();
  } catch (const broker_error& e) {
    tell_end(host, e.what(), e.is_final());
  } catch (const std::exception& e) {
    tell_end(host, e.what(), false);
  }
}

} // namespace bulkhead::engine
