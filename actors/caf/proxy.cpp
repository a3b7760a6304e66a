#include "actors/caf/proxy.hpp"

#include "runtime/outcome/failure_wire.hpp"

#include <caf/actor.hpp>
#include <caf/actor_cast.hpp>
#include <caf/actor_system.hpp>
#include <caf/system_messages.hpp>

namespace bulkhead::actors {

proxy_base::proxy_base(caf::actor_config& config) : actor_proxy(config) {}

void proxy_base::kill(caf::error reason) {
  try {
    cleanup(std::move(reason), nullptr);
  } catch (...) {
    runtime::report_exception_in("a function attached to an actor");
  }
}

bool proxy_base::killed() const noexcept { return getf(is_terminated_flag); }

// Under no lock: who sees the flag of killed() sees what was stored before it.
caf::error proxy_base::reason() const { return fail_state_; }

void proxy_base::link_local(caf::abstract_actor* local) { add_link(local); }

void proxy_base::unlink_local(caf::abstract_actor* local) { remove_link(local); }

bool proxy_base::observed() {
  return exclusive_critical_section([this] { return attachables_head_ != nullptr; });
}

bool proxy_base::terminated(const caf::abstract_actor* actor) noexcept {
  return actor->getf(is_terminated_flag);
}

std::optional<exit_request> as_exit(const caf::message& msg) {
  if (!msg.match_elements<caf::exit_msg>())
    return std::nullopt;
  auto& exit = msg.get_as<caf::exit_msg>(0);
  exit_request result;
  result.source = caf::actor_cast<caf::strong_actor_ptr>(exit.source);
  result.reason = exit.reason;
  // An exit message of an actor that has ended comes from a link; one that lives has sent it on
  // purpose.
  result.by_death = exit.source && (!result.source || proxy_base::terminated(result.source->get()));
  return result;
}

void at_exit(const caf::strong_actor_ptr& actor, std::function<void(const caf::error&)> f) {
  actor->get()->attach_functor([f = std::move(f)](const caf::error& reason) { f(reason); });
}

caf::strong_actor_ptr handle_in(const caf::message& msg, const caf::node_id& node,
                                caf::actor_id id) {
  const auto fits = [&](const caf::strong_actor_ptr& a) {
    return a && a->id() == id && a->node() == node;
  };
  for (std::size_t i = 0; i < msg.size(); ++i) {
    caf::strong_actor_ptr one;
    if (msg.match_element<caf::actor>(i))
      one = caf::actor_cast<caf::strong_actor_ptr>(msg.get_as<caf::actor>(i));
    else if (msg.match_element<caf::strong_actor_ptr>(i))
      one = msg.get_as<caf::strong_actor_ptr>(i);
    if (fits(one))
      return one;
  }
  return nullptr;
}

namespace {

class ended_proxy final : public proxy_base {
public:
  using proxy_base::proxy_base;
  void on_send(caf::strong_actor_ptr sender, caf::message_id mid, caf::message) override {
    if (sender && mid.is_request())
      answer_error(sender, mid, make_error(caf::sec::request_receiver_down), nullptr);
  }
  void on_link(caf::abstract_actor*, bool) override {}
};

class stand_in final : public proxy_base {
public:
  stand_in(caf::actor_config& config, caf::strong_actor_ptr real)
    : proxy_base(config), real_(std::move(real)) {}
  // The remote node cannot name the sender; an answer needs none.
  void on_send(caf::strong_actor_ptr sender, caf::message_id mid, caf::message msg) override {
    deliver(real_, mid.is_response() ? nullptr : std::move(sender), mid, std::move(msg), nullptr);
  }
  void on_link(caf::abstract_actor*, bool) override {}

private:
  const caf::strong_actor_ptr real_;
};

} // namespace

caf::strong_actor_ptr make_stand_in(caf::actor_system& system, const caf::strong_actor_ptr& real) {
  return make_proxy<stand_in>(system, system.next_actor_id(), system.node(), real);
}

caf::strong_actor_ptr ended_actor(caf::actor_system& system, const caf::node_id& node,
                                  caf::actor_id id) {
  auto made = make_proxy<ended_proxy>(system, id, node);
  static_cast<ended_proxy*>(made->get())->kill(make_error(caf::exit_reason::unknown));
  return made;
}

} // namespace bulkhead::actors
