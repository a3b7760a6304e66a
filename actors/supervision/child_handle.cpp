#include "actors/supervision/child_handle.hpp"

#include "actors/border/process_proxy.hpp"
#include "actors/caf/failure_error.hpp"

#include <iterator>
#include <utility>

// Senders come here from any thread, the runtime thread binds and unbinds, and the end of a link
// gives back what a dead incarnation did not see. One mutex guards the queues; it is never held
// while CAF or the border is called, because either may come back into this handle.
namespace bulkhead::actors {

/// Follows a message to an incarnation.
class handle_watch final : public request_watch {
public:
  handle_watch(caf::weak_actor_ptr handle, caf::strong_actor_ptr to, child_handle::parcel p)
    : handle_(std::move(handle)), to_(std::move(to)), parcel_(std::move(p)) {}

  // An incarnation that answered has seen the message, so there is nothing to move on.
  void answered() override {}
  bool lost(const caf::error&, bool delivered) override {
    const auto handle = handle_.lock();
    return !delivered && handle
           && static_cast<child_handle*>(handle->get())->lost(to_, std::move(parcel_));
  }

private:
  const caf::weak_actor_ptr handle_;
  const caf::strong_actor_ptr to_;
  child_handle::parcel parcel_;
};

child_handle::child_handle(caf::actor_config& config, std::shared_ptr<actor_hub> hub,
                           std::string name, std::size_t most_held)
  : proxy_base(config), hub_(std::move(hub)), name_(std::move(name)), most_held_(most_held) {}

child_handle::~child_handle() = default;

caf::strong_actor_ptr child_handle::incarnation() const {
  const std::lock_guard lock{mutex_};
  return actor_;
}

void child_handle::on_send(caf::strong_actor_ptr sender, caf::message_id mid, caf::message msg) {
  // The handle has asked nobody, so no answer can be meant for it.
  if (mid.is_response())
    return;
  take({std::move(sender), mid, std::move(msg)});
}

void child_handle::take(parcel p) {
  caf::strong_actor_ptr to;
  {
    const std::lock_guard lock{mutex_};
    // Only where nothing waits may a message go past the queues: it would overtake those before it.
    if (standing_ == standing::bound && !flushing_ && returned_.empty() && held_.empty())
      to = actor_;
  }
  if (to && send(to, p))
    return;
  // bind() may have emptied the queue between the look above and keep(); nobody else would look
  // again.
  if (keep(p))
    flush(); // it may have been bound in between
}

// False: it was refused.
bool child_handle::keep(parcel& p) {
  const char* why = nullptr;
  {
    const std::lock_guard lock{mutex_};
    if (standing_ == standing::over) {
      why = " has ended";
    } else if (standing_ == standing::down) {
      why = " does not run: it was terminated, or it ended and is not to be restarted";
    } else if (as_exit(p.content)) { // whom it was meant for has ended
      return false;
    } else if (held_.size() >= most_held_) {
      why = " is being restarted, and as many messages wait for it as child_spec::held_messages "
            "allows";
    } else {
      held_.push_back(std::move(p));
      return true;
    }
  }
  refuse(p, "the supervised actor '" + name_ + "'" + why);
  return false;
}

// One thread at a time, so that the messages of one sender keep their order.
void child_handle::flush() {
  {
    const std::lock_guard lock{mutex_};
    if (flushing_)
      return;
    flushing_ = true;
  }
  for (;;) {
    parcel next;
    caf::strong_actor_ptr to;
    bool first = false;
    {
      const std::lock_guard lock{mutex_};
      auto& from = returned_.empty() ? held_ : returned_;
      if (standing_ != standing::bound || from.empty()) {
        flushing_ = false;
        return;
      }
      next = std::move(from.front());
      from.pop_front();
      to = actor_;
      first = &from == &returned_;
    }
    // Without the lock: to send may wait for room, and a death on the way calls lost().
    if (send(to, next))
      continue;
    const std::lock_guard lock{mutex_};
    // It was the oldest of its queue and becomes so again. The next round stops, or sends it to the
    // incarnation that has been bound since.
    (first ? returned_ : held_).push_front(std::move(next));
  }
}

// False: the incarnation is dead and `p` intact.
bool child_handle::send(const caf::strong_actor_ptr& to, parcel& p) {
  const auto* proxy = dynamic_cast<const process_proxy*>(to->get());
  // An actor of the host (host_child) or a supervisor's front: no process can take the message
  // along.
  if (proxy == nullptr) {
    deliver(to, std::move(p.sender), p.mid, std::move(p.content), nullptr);
    return true;
  }
  const caf::strong_actor_ptr self{ctrl()};
  const auto watch =
    std::make_shared<handle_watch>(caf::actor_cast<caf::weak_actor_ptr>(self), to, p);
  const auto result = hub_->edge().send(proxy->key(), p.sender, p.mid, p.content, watch);
  if (result == link::sent::full)
    refuse(p, "the supervised actor '" + name_ + "' takes no more messages: its mailbox is full");
  if (result != link::sent::dead)
    return true;
  const std::lock_guard lock{mutex_};
  // The handle may have been bound to the next incarnation meanwhile, which is alive.
  if (standing_ == standing::bound && actor_ == to)
    standing_ = standing::waits; // its end is being told
  return false;
}

// Of an incarnation that did not see it. False: nobody will come for it.
bool child_handle::lost(const caf::strong_actor_ptr& from, parcel&& p) {
  if (as_exit(p.content))
    return true; // it has come true
  {
    const std::lock_guard lock{mutex_};
    if (standing_ == standing::over || standing_ == standing::down)
      return false;
    if (standing_ == standing::bound && actor_ == from)
      standing_ = standing::waits;
    returned_.push_back(std::move(p));
  }
  flush();
  return true;
}

void child_handle::bind(caf::strong_actor_ptr to) {
  {
    const std::lock_guard lock{mutex_};
    if (standing_ == standing::over)
      return;
    // The new incarnation has to stand here before flush() looks for it.
    actor_ = std::move(to);
    standing_ = standing::bound;
  }
  no_wait_scope moves_on; // what waited here was counted already, and this thread is everybody's
  flush();
}

void child_handle::unbind(bool comes_back) {
  caf::strong_actor_ptr gone; // let go without the lock
  std::deque<parcel> refused;
  {
    const std::lock_guard lock{mutex_};
    if (standing_ == standing::over)
      return;
    gone.swap(actor_);
    standing_ = comes_back ? standing::waits : standing::down;
    // Those that came back are older than those that were held, so their refusals come first.
    if (!comes_back) {
      refused.swap(returned_);
      refused.insert(refused.end(), std::make_move_iterator(held_.begin()),
                     std::make_move_iterator(held_.end()));
      held_.clear();
    }
  }
  for (const auto& p : refused)
    refuse(p, "the supervised actor '" + name_ + "' does not run any more");
}

// First what waits is answered, then the handle is down: a monitor that hears of the end must not
// have a request that is still open.
void child_handle::end(const caf::error& reason) {
  unbind(false);
  {
    const std::lock_guard lock{mutex_};
    standing_ = standing::over;
  }
  kill(reason);
}

void child_handle::refuse(const parcel& p, const std::string& why) const {
  failure f;
  f.kind = failure_kind::rejected;
  f.message = why;
  if (p.sender && p.mid.is_request())
    answer_error(p.sender, p.mid, to_error(f), nullptr);
  else
    hub_->edge().letters.add(why);
}

} // namespace bulkhead::actors
