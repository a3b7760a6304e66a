#include "engine/submitter/engine_pool.hpp"
#include "runtime/system/bell.hpp"

#include <algorithm>
#include <utility>

#include <poll.h>

// The pool's thread: what the courier brings, what is due, and batches.
namespace bulkhead::engine {

namespace {

using namespace std::chrono_literals;
using clock = std::chrono::steady_clock;

constexpr std::size_t most_pending = std::size_t{8} << 20; ///< bytes that wait for the courier
constexpr auto farewell = 1s;

timespec until(time_point when) {
  const auto left = std::clamp<std::chrono::nanoseconds>(when - clock::now(), 0ns, 60s);
  return {static_cast<time_t>(left / 1s), static_cast<long>((left % 1s).count())};
}

} // namespace

void engine_pool::run() {
  while (true) {
    connect();
    sleep();
    const std::lock_guard lock{mutex_};
    turn();
    if (stop_)
      break;
  }
  courier_.end(farewell);
}

void engine_pool::connect() {
  std::unique_lock lock{mutex_};
  auto attempt = stop_ ? std::nullopt : courier_.begin();
  lock.unlock();
  if (!attempt)
    return;
  attempt->launch(courier_.settings());
  lock.lock();
  courier_.adopt(std::move(*attempt));
}

void engine_pool::sleep() {
  time_point next = time_point::max();
  pollfd watched[] = {{bell_.get(), POLLIN, 0}, {-1, 0, 0}};
  {
    const std::lock_guard lock{mutex_};
    if (stop_)
      return;
    watched[1] = {courier_.fd(), courier_.events(), 0};
    next = std::min(submitter_.next_look(), courier_.next_look());
  }
  const auto left = until(next);
  ::ppoll(watched, 2, &left, nullptr);
  if (watched[0].revents != 0)
    runtime::hush(bell_.get());
}

void engine_pool::turn() {
  asleep_ = false;
  const auto now = clock::now();
  courier_.serve([&](const packet& p) { on_packet(p, now); });
  if (was_up_ && !courier_.up())
    tell_connection("the connection to the broker is lost: " + courier_.reason());
  was_up_ = courier_.up();
  if (courier_.is_hopeless() && broken_.empty()) {
    broken_ = courier_.reason();
    failure f;
    f.kind = failure_kind::pool_broken;
    f.message = broken_;
    submitter_.end_all(f);
  }
  const bool connected = courier_.up() && !courier_.blocked();
  submitter_.on_time(clock::now(), connected);
  if (submitter_.take_wish_for_connection()) {
    courier_.renew("batches leave their queue and no node asks about them");
    tell_connection("the connection to the broker is made anew: " + courier_.reason());
    was_up_ = false;
    asleep_ = true;
    return;
  }
  while (connected && courier_.pending() < most_pending && submitter_.send_batch(now))
    continue;
  courier_.serve([&](const packet& p) { on_packet(p, now); }); // sends what the turn has made
  changed_.notify_all();
  asleep_ = true; // who submits from now on rings
}

void engine_pool::on_packet(const packet& p, time_point now) {
  switch (p.kind) {
  case packet_kind::ready:
    if (started_)
      tell_connection("connected to the broker again");
    started_ = true;
    return submitter_.on_connected(now);
  case packet_kind::delivery:
    return submitter_.on_message(p.body, now);
  case packet_kind::returned:
    return submitter_.on_returned(p.body, now);
  case packet_kind::looked:
    return submitter_.on_looked(p.name, p.number);
  case packet_kind::blocked:
    return tell_connection("the broker takes no messages: it has an alarm");
  case packet_kind::unblocked:
    return tell_connection("the broker takes messages again");
  default:
    return;
  }
}

void engine_pool::tell_connection(std::string text) {
  if (!options_.on_event)
    return;
  pool_event event;
  event.kind = event_kind::restarting;
  event.text = std::move(text);
  callbacks_.run([tell = options_.on_event, event = std::move(event)] { tell(event); });
}

} // namespace bulkhead::engine
