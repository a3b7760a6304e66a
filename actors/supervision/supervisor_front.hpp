#pragma once

#include "actors/caf/proxy.hpp"

#include <functional>
#include <utility>

namespace bulkhead::actors {

/// The actor that stands for a supervisor: an exit message with a reason stops it; it answers
/// nothing.
class supervisor_front final : public proxy_base {
public:
  /// Runs in the sender's thread, at each such message.
  using exit_handler = std::function<void(const caf::error& reason)>;

  supervisor_front(caf::actor_config& config, exit_handler on_exit)
    : proxy_base(config), on_exit_(std::move(on_exit)) {}

  void on_send(caf::strong_actor_ptr sender, caf::message_id mid, caf::message msg) override {
    if (const auto exit = as_exit(msg)) {
      if (exit->reason && !killed())
        on_exit_(exit->reason);
    } else if (sender && mid.is_request()) {
      answer_error(sender, mid, make_error(caf::sec::unexpected_message), nullptr);
    }
  }
  void on_link(caf::abstract_actor*, bool) override {}

private:
  const exit_handler on_exit_;
};

} // namespace bulkhead::actors
