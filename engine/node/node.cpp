#include "engine/node/node.hpp"

#include "engine/node/offered_modules.hpp"

#include "engine/submitter/names.hpp"
#include "engine/submitter/submitter.hpp"

#include <bulkhead/error.hpp>

#include <algorithm>
#include <utility>

#include <poll.h>
#include <unistd.h>

// The loop of a node.
namespace bulkhead::engine {

namespace {

using namespace std::chrono_literals;
using clock = std::chrono::steady_clock;

constexpr auto between_checks = 500ms;
constexpr auto farewell = 1s;

courier_settings settings_of_node(const node_options& o, const std::string& own) {
  auto s = settings_of(o.engine, own);
  s.heartbeat_s = heartbeat_of(o.engine.lease);
  s.is_node = true;
  s.replicated = o.replicated;
  for (const auto& module : offered_modules())
    s.task_queues.push_back(task_queue_of(o.engine.queue, module.id));
  return s;
}

pool_options pool_of(const node_options& options) {
  check(options.engine);
  if (options.pool.engine)
    throw config_error("node_options::pool has an engine; a node runs tasks in its own workers");
  if (options.drain.count() < 0)
    throw config_error("node_options::drain is below 0 ns");
  return options.pool;
}

} // namespace

node::node(const node_options& options)
  : options_(options), name_(unique_name("bulkhead.node")), pool_(pool_of(options)),
    courier_(settings_of_node(options, name_)) {}

void node::say(const std::string& text) const {
  if (options_.on_message)
    options_.on_message(text);
}

void node::serve(int stop) {
  const auto until = clock::now() + connect_patience;
  while (turn(stop)) {
    const bool never_up = !was_up_ && down_since_ == time_point{};
    if (courier_.is_hopeless() || (never_up && clock::now() >= until))
      throw pool_broken("the node cannot start: " + courier_.reason());
  }
  for (const auto& [pool, p] : patrons_)
    publish(pool, pack(message_kind::bye, sign_message{name_}));
  courier_.end(farewell);
  if (!pool_.core()->is_open())
    throw pool_broken("the node has ended: its pool cannot keep workers alive");
}

// False: all is done.
bool node::turn(int stop) {
  connect();
  wait(stop);
  courier_.serve([this](const packet& p) { on_packet(p); });
  if (was_up_ && !courier_.up())
    on_disconnected();
  look_at_stop(stop);
  send_outcomes();
  const auto now = clock::now();
  if (now >= next_check_) {
    next_check_ = now + between_checks;
    ask_again(now);
    send_again(now, false);
    look_at_patrons(now);
    if (!pool_.core()->is_open() && !draining_)
      drain(); // nothing can run here any more
  }
  ask();
  balance();
  courier_.serve([this](const packet& p) { on_packet(p); }); // sends what the turn has made
  return !is_done();
}

void node::connect() {
  if (auto attempt = courier_.begin()) {
    attempt->launch(courier_.settings());
    courier_.adopt(std::move(*attempt));
  }
}

time_point node::next_look() const {
  auto next = std::min({courier_.next_look(), drain_until_, next_check_});
  if (!held_.empty())
    next = std::min(next, clock::now() + 10ms); // given back before somebody starves
  return next;
}

void node::wait(int stop) {
  pollfd watched[] = {
    {courier_.fd(), courier_.events(), 0}, {box_.fd(), POLLIN, 0}, {stop, POLLIN, 0}};
  if (stop_ended_)
    watched[2].fd = -1;
  const auto left =
    std::clamp<std::chrono::nanoseconds>(next_look() - clock::now(), 0ns, between_checks);
  const timespec time{static_cast<time_t>(left / 1s), static_cast<long>((left % 1s).count())};
  ::ppoll(watched, 3, &time, nullptr);
}

void node::on_packet(const packet& p) {
  switch (p.kind) {
  case packet_kind::ready:
    return on_connected();
  case packet_kind::batch:
    return take_batch(p);
  case packet_kind::blocked:
    return say("the broker takes no messages: it has an alarm");
  case packet_kind::unblocked:
    return say("the broker takes messages again");
  case packet_kind::returned:
    return take_returned(p);
  case packet_kind::delivery:
    break;
  default:
    return;
  }
  const auto kind = kind_of(p.body);
  try {
    if (kind == message_kind::grant)
      take_grant(p.body);
    else if (kind == message_kind::settled)
      take_settled(p.body);
    else if (kind == message_kind::stop)
      take_stop(p.body);
    else
      take_sign(p.body, kind);
  } catch (const codec_error&) { // no message of ours: whoever may publish here may write it
  }
}

void node::on_connected() {
  say(down_since_ == time_point{} ? "takes tasks as " + name_ : "connected to the broker again");
  was_up_ = true;
  consuming_ = 0;
  const auto now = clock::now();
  down_since_ = now;
  for (auto& [pool, p] : patrons_)
    p.heard = now + comeback; // nobody could be heard, and others come back later
  // Deliveries of the former connection are with the broker again, and nobody is asked twice: a
  // question is repeated below with a new number.
  for (auto& [pool, p] : patrons_)
    for (auto& [first, piece] : p.pieces)
      piece.batch = nullptr;
  ask_again(time_point::max());
  send_again(now, true);
}

// Nothing begins until the submitters can be heard again. What runs goes on for a lease, after
// which others may run it.
void node::on_disconnected() {
  say("the connection to the broker is lost: " + courier_.reason());
  was_up_ = false;
  consuming_ = 0;
  down_since_ = clock::now();
  give_back_held(time_point::max());
  pool_.core()->cancel_pending();
}

// The first byte, or the end of the descriptor, asks for an orderly end, the next byte for one at
// once.
void node::look_at_stop(int stop) {
  pollfd watched{stop_ended_ ? -1 : stop, POLLIN, 0};
  if (::poll(&watched, 1, 0) == 1) {
    char taken = 0;
    const bool is_byte = ::read(stop, &taken, 1) == 1;
    stop_ended_ = !is_byte;
    if (!draining_)
      drain();
    else if (is_byte)
      kill_all();
  }
  if (clock::now() >= drain_until_)
    kill_all();
}

void node::drain() {
  say("ends: takes no more tasks, finishes what runs");
  draining_ = true;
  drain_until_ = clock::now() + std::min<std::chrono::nanoseconds>(options_.drain, 24h);
  give_back_held(time_point::max());
  pool_.core()->cancel_pending();
}

void node::kill_all() {
  if (std::exchange(killed_, true))
    return;
  drain_until_ = clock::now() + farewell; // for the last letters
  box_.begin_end();
  for (auto& [pool, p] : patrons_)
    for (auto& [first, piece] : p.pieces)
      for (const auto& sink : piece.sinks)
        pool_.core()->cancel_all(*sink, true);
}

// With nothing to say, or when nobody has listened for long enough.
bool node::is_done() const {
  if (!draining_)
    return false;
  const bool silent = std::all_of(patrons_.begin(), patrons_.end(),
                                  [](const auto& p) { return p.second.letters.empty(); });
  return (outstanding_ == 0 && silent) || (killed_ && clock::now() >= drain_until_);
}

} // namespace bulkhead::engine
