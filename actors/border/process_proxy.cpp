#include "actors/border/process_proxy.hpp"

namespace bulkhead::actors {

process_proxy::process_proxy(caf::actor_config& config, std::shared_ptr<frames_out> owner,
                             actor_key key)
  : proxy_base(config), owner_(std::move(owner)), key_(key) {}

process_proxy::~process_proxy() {
  // Relaxed: the last reference was dropped after all counting.
  owner_->proxy_ended(*this, counted_.load(std::memory_order_relaxed));
}

void process_proxy::on_send(caf::strong_actor_ptr sender, caf::message_id mid, caf::message msg) {
  // The exit message of a dying linked actor stays here: the peer hears of that death by the DOWN
  // frame, and would see it twice.
  if (auto exit = as_exit(msg); exit && exit->by_death)
    return;
  owner_->send(key_, sender, mid, msg, nullptr);
}

void process_proxy::on_link(caf::abstract_actor* local, bool on) {
  owner_->notify(on ? frame_kind::link : frame_kind::unlink, key_, local, 0);
}

// CAF 1.x ends an actor with its last handle, and would tell the observers of an end that was none:
// so the border keeps the proxy until the real one.
void process_proxy::on_observed() { owner_->pin(key_, caf::strong_actor_ptr{ctrl()}); }

} // namespace bulkhead::actors
