#include "engine/courier/courier.hpp"
#include "engine/submitter/names.hpp"
#include "engine/submitter/submitter.hpp"

#include <bulkhead/error.hpp>
#include <bulkhead/rabbitmq.hpp>

#include <algorithm>
#include <utility>

#include <poll.h>

// Asks the broker who listens: a question to all nodes of a queue, and what they answer until the
// time is over.
namespace bulkhead {

namespace {

using clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

node_info info_of(engine::offer_message&& said) {
  const auto now = std::chrono::nanoseconds{std::chrono::system_clock::now().time_since_epoch()};
  return {std::move(said.node),
          std::move(said.version),
          said.workers,
          said.running,
          std::chrono::nanoseconds{said.clock_ns} - now,
          std::move(said.modules)};
}

} // namespace

std::vector<node_info> find_nodes(const rabbitmq& wanted, std::chrono::nanoseconds patience) {
  engine::check(wanted);
  const auto settings = engine::settings_of(wanted, engine::unique_name("bulkhead.look"));
  engine::courier link{settings};
  std::vector<node_info> found;
  auto until = clock::now() + engine::connect_patience;
  const auto on_packet = [&](const engine::packet& p) {
    if (p.kind == engine::packet_kind::ready) {
      until = detail::deadline_after(patience);
      link.put(engine::packet_kind::announce, 0, {},
               engine::pack(engine::message_kind::who, engine::sign_message{settings.own_queue}));
    }
    if (p.kind == engine::packet_kind::delivery
        && engine::kind_of(p.body) == engine::message_kind::offer)
      try {
        found.push_back(info_of(engine::unpack<engine::offer_message>(p.body)));
      } catch (const codec_error&) { // no offer: whoever may publish here may write it
      }
  };
  while (clock::now() < until && !link.is_hopeless()) {
    if (auto attempt = link.begin()) {
      attempt->launch(settings);
      link.adopt(std::move(*attempt));
    }
    pollfd watched{link.fd(), link.events(), 0};
    ::poll(&watched, 1, 50);
    link.serve(on_packet);
    link.serve(on_packet);
  }
  if (!link.up())
    throw pool_broken(link.reason().empty() ? "the broker did not answer" : link.reason());
  link.end(100ms);
  return found;
}

} // namespace bulkhead
