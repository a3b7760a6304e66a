#include "tools/system/asker.hpp"

#include "actors/border/process_proxy.hpp"
#include "actors/caf/proxy.hpp"
#include "actors/host/actor_hub.hpp"
#include "actors/host/actor_process.hpp"
#include "actors/host/incarnated.hpp"

#include <caf/actor_cast.hpp>

#include <condition_variable>
#include <map>
#include <mutex>
#include <utility>

namespace bulkhead::systems {

/// Who the asked actors see: its mailbox is the table of answers.
class asker::desk final : public actors::proxy_base {
public:
  explicit desk(caf::actor_config& config) : actors::proxy_base(config) {}

  void on_send(caf::strong_actor_ptr sender, caf::message_id mid, caf::message msg) override {
    if (!mid.is_response()) {
      if (sender && mid.is_request())
        actors::answer_error(sender, mid, make_error(caf::sec::unexpected_message), nullptr);
      return;
    }
    const std::lock_guard lock{mutex_};
    // The number comes from another process: it may be any, and may come twice.
    const auto known = answers_.find(mid.request_id().integer_value());
    if (known == answers_.end() || known->second)
      return;
    known->second = std::move(msg);
    news_.notify_all();
  }
  void on_link(caf::abstract_actor*, bool) override {}

  number open() {
    const std::lock_guard lock{mutex_};
    answers_[++last_];
    return last_;
  }
  std::optional<caf::message> wait(number request, clock::time_point until) {
    std::unique_lock lock{mutex_};
    const auto known = answers_.find(request);
    if (known == answers_.end())
      return std::nullopt;
    news_.wait_until(lock, until, [&] { return given_up_ || known->second; });
    return known->second;
  }
  void forget(number request) {
    const std::lock_guard lock{mutex_};
    answers_.erase(request);
  }
  void give_up() {
    const std::lock_guard lock{mutex_};
    given_up_ = true;
    news_.notify_all();
  }

private:
  std::mutex mutex_; ///< guards what follows
  std::condition_variable news_;
  std::map<number, std::optional<caf::message>> answers_;
  number last_ = 0;
  bool given_up_ = false;
};

asker::asker(caf::actor_system& system)
  : desk_(actors::make_proxy<desk>(system, system.next_actor_id(), system.node())) {}

asker::~asker() {
  static_cast<desk*>(desk_->get())->kill(make_error(caf::exit_reason::user_shutdown));
}

void asker::tell(const caf::actor& whom, caf::message what) {
  actors::deliver(caf::actor_cast<caf::strong_actor_ptr>(whom), desk_, caf::message_id{},
                  std::move(what), nullptr);
}

asker::number asker::begin(const caf::actor& whom, caf::message what) {
  const auto request = static_cast<desk*>(desk_->get())->open();
  actors::deliver(caf::actor_cast<caf::strong_actor_ptr>(whom), desk_, actors::request_mid(request),
                  std::move(what), nullptr);
  return request;
}

std::optional<caf::message> asker::wait(number request, clock::time_point until) {
  return static_cast<desk*>(desk_->get())->wait(request, until);
}

void asker::forget(number request) { static_cast<desk*>(desk_->get())->forget(request); }

void asker::give_up() { static_cast<desk*>(desk_->get())->give_up(); }

pid_t signal_worker_of(const caf::actor& actor, int number) {
  auto whom = caf::actor_cast<caf::strong_actor_ptr>(actor);
  if (whom)
    if (const auto* name = dynamic_cast<actors::incarnated*>(whom->get()))
      whom = name->incarnation();
  const auto* const proxy = whom ? dynamic_cast<actors::process_proxy*>(whom->get()) : nullptr;
  const auto hub = proxy != nullptr ? actors::actor_hub::find(proxy->home_system()) : nullptr;
  const auto process = hub ? hub->process_of(proxy->key().peer) : nullptr;
  return process && process->signal(number) ? process->pid() : 0;
}

} // namespace bulkhead::systems
