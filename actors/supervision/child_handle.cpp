#include "actors/supervision/child_handle.hpp"

#include "actors/border/process_proxy.hpp"
#include "actors/caf/failure_error.hpp"

#include <caf/actor_system.hpp>

#include <algorithm>
#include <iterator>
#include <optional>
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
  std::uint64_t number() const noexcept override { return parcel_.marks.number; }

private:
  const caf::weak_actor_ptr handle_;
  const caf::strong_actor_ptr to_;
  child_handle::parcel parcel_;
};

child_handle::child_handle(caf::actor_config& config, std::shared_ptr<actor_hub> hub,
                           std::string name, const bounds& most)
  : proxy_base(config), hub_(std::move(hub)), name_(std::move(name)), most_(most) {}

child_handle::~child_handle() = default;

caf::strong_actor_ptr child_handle::incarnation() const {
  const std::lock_guard lock{mutex_};
  return actor_;
}

child_handle::queues& child_handle::waiting() {
  if (!queues_)
    queues_ = std::make_unique<queues>();
  return *queues_;
}

void child_handle::on_send(caf::strong_actor_ptr sender, caf::message_id mid, caf::message msg) {
  // The handle has asked nobody, so no answer can be meant for it.
  if (mid.is_response())
    return;
  parcel p{std::move(sender), mid, std::move(msg), {}};
  p.marks.deadline = marks_scope::current().deadline;
  take(std::move(p));
}

void child_handle::take(parcel p) {
  caf::strong_actor_ptr to;
  const bool exit = as_exit(p.content).has_value();
  const bool logged = replays() && !exit;
  {
    const std::lock_guard lock{mutex_};
    // Only where nothing waits may a message go past the queues: it would overtake those before it.
    // Where messages are replayed one thread at a time sends them, in the order of their numbers.
    if (standing_ == standing::bound && (exit || (!flushing_ && !has_waiting() && !logged)))
      to = actor_;
  }
  if (to && send(to, p))
    return;
  // What is in the log will be carried out, however late.
  if (logged)
    p.marks.deadline = message_marks::time_point::max();
  // bind() may have emptied the queue between the look above and keep(); nobody else would look
  // again.
  if (keep(p))
    flush(); // it may have been bound in between
}

const char* child_handle::refusal(const parcel& p) const {
  if (standing_ == standing::over)
    return " has ended";
  if (standing_ == standing::down)
    return " does not run: it was terminated, or it ended and is not to be restarted";
  if (!queues_)
    return nullptr;
  const auto& all = *queues_;
  if (replays() && all.log.size() + all.returned.size() + all.held.size() >= most_.replayed)
    return " has as many messages that no snapshot contains as child_spec::replayed_messages "
           "allows: let it hand over snapshots more often";
  if (all.held.size() >= most_.held && !as_exit(p.content))
    return " is being restarted, and as many messages wait for it as child_spec::held_messages "
           "allows";
  return nullptr;
}

// False: it was refused.
bool child_handle::keep(parcel& p) {
  const char* why = nullptr;
  {
    const std::lock_guard lock{mutex_};
    why = refusal(p);
    // One that was meant for an incarnation that has ended.
    if (why == nullptr && as_exit(p.content))
      return false;
    if (why == nullptr) {
      waiting().held.push_back(std::move(p));
      return true;
    }
  }
  refuse(p, "the supervised actor '" + name_ + "'" + why);
  return false;
}

// The next one that can go; where there is none this thread lets go of its turn.
bool child_handle::take_next(parcel& next, caf::strong_actor_ptr& to, bool& first) {
  const std::lock_guard lock{mutex_};
  if (standing_ != standing::bound || !has_waiting()) {
    flushing_ = false;
    if (!replays() && !has_waiting())
      queues_ = nullptr;
    return false;
  }
  auto& from = queues_->returned.empty() ? queues_->held : queues_->returned;
  next = std::move(from.front());
  from.pop_front();
  to = actor_;
  first = &from == &queues_->returned;
  return true;
}

// It was the oldest of its queue and becomes so again: it goes to the incarnation that has been
// bound since, or that will be. Where messages are replayed the log has it.
void child_handle::not_sent(parcel&& p, bool first) {
  const std::lock_guard lock{mutex_};
  if (!replays())
    (first ? waiting().returned : waiting().held).push_front(std::move(p));
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
    if (!take_next(next, to, first))
      return;
    // Without the lock: to send may wait for room, and a death on the way calls lost().
    if (!send(to, next))
      not_sent(std::move(next), first);
  }
}

// As if it had its answer: either the incarnation answers, or its end is the answer.
void child_handle::note_sent(parcel& p) {
  auto& all = waiting();
  if (p.marks.number == 0)
    p.marks.number = ++all.numbers;
  all.log.push_back(p);
  all.log.back().settled = true;
}

// What an incarnation answers to a message that is replayed has been answered before.
child_handle::parcel child_handle::as_sent(const parcel& p) {
  class sink final : public proxy_base {
  public:
    using proxy_base::proxy_base;
    void on_send(caf::strong_actor_ptr, caf::message_id, caf::message) override {}
    void on_link(caf::abstract_actor*, bool) override {}
  };
  if (!p.settled)
    return p;
  auto& nobody = waiting().nobody;
  auto& system = hub_->system();
  if (!nobody)
    nobody = make_proxy<sink>(system, system.next_actor_id(), system.node());
  return {nobody, p.mid.is_request() ? request_mid(p.marks.number) : p.mid, p.content, p.marks,
          true};
}

// The log and what goes out again are in the order of their numbers.
void child_handle::settle(std::uint64_t number, bool settled) {
  for (auto* list : {&waiting().log, &waiting().returned}) {
    const auto at =
      std::ranges::lower_bound(*list, number, {}, [](const parcel& p) { return p.marks.number; });
    if (at != list->end() && at->marks.number == number)
      at->settled = settled;
  }
}

// False: the incarnation is dead and `p` intact.
bool child_handle::send(const caf::strong_actor_ptr& to, parcel& p) {
  const auto* proxy = dynamic_cast<const process_proxy*>(to->get());
  const marks_scope goes_along{{p.marks.deadline, 0}};
  // An actor of the host (host_child) or a supervisor's front: no process can take the message
  // along.
  if (proxy == nullptr) {
    deliver(to, std::move(p.sender), p.mid, std::move(p.content), nullptr);
    return true;
  }
  const bool logged = replays() && !as_exit(p.content);
  parcel again;
  if (logged) {
    const std::lock_guard lock{mutex_};
    note_sent(p);
    again = as_sent(p);
  }
  const auto& out = logged ? again : p;
  const caf::strong_actor_ptr self{ctrl()};
  const auto watch =
    std::make_shared<handle_watch>(caf::actor_cast<caf::weak_actor_ptr>(self), to, p);
  std::optional<no_wait_scope> was_taken_already;
  if (logged)
    was_taken_already.emplace();
  const auto result = hub_->edge().send(proxy->key(), out.sender, out.mid, out.content, watch);
  if (result == link::sent::full)
    refuse(p, "the supervised actor '" + name_ + "' takes no more messages: its mailbox is full");
  if (result != link::sent::dead)
    return true;
  const std::lock_guard lock{mutex_};
  if (logged)
    settle(p.marks.number, p.settled);
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
    if (replays())
      settle(p.marks.number, p.settled);
    else
      waiting().returned.push_back(std::move(p));
  }
  flush();
  return true;
}

void child_handle::bind(caf::strong_actor_ptr to) {
  {
    const std::lock_guard lock{mutex_};
    if (standing_ == standing::over)
      return;
    // Its first messages are those that the snapshot it begins with does not contain.
    if (replays() && queues_) {
      auto& all = *queues_;
      all.returned.insert(all.returned.begin(), std::make_move_iterator(all.log.begin()),
                          std::make_move_iterator(all.log.end()));
      all.log.clear();
    }
    // The new incarnation has to stand here before flush() looks for it.
    actor_ = std::move(to);
    standing_ = standing::bound;
  }
  no_wait_scope moves_on; // what waited here was counted already, and this thread is everybody's
  flush();
}

// Those that came back are older than those that were held, so their refusals come first. Who has
// run stays in the log: the child may be started again.
std::deque<child_handle::parcel> child_handle::take_unsettled() {
  const auto open = [](const parcel& p) { return !p.settled; };
  std::deque<parcel> all;
  for (auto* list : {&queues_->log, &queues_->returned, &queues_->held}) {
    std::ranges::copy_if(*list, std::back_inserter(all), open);
    std::erase_if(*list, open);
  }
  return all;
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
    if (!comes_back && queues_)
      refused = take_unsettled();
  }
  for (const auto& p : refused)
    refuse(p, "the supervised actor '" + name_ + "' does not run any more");
}

// First what waits is answered, then the handle is down: a monitor that hears of the end must not
// have a request that is still open.
void child_handle::end(const caf::error& reason) {
  unbind(false);
  std::unique_ptr<queues> gone; // let go without the lock
  {
    const std::lock_guard lock{mutex_};
    standing_ = standing::over;
    if (!flushing_)
      gone = std::move(queues_);
  }
  kill(reason);
}

void child_handle::contained(std::uint64_t number) {
  std::deque<parcel> gone; // let go without the lock
  const std::lock_guard lock{mutex_};
  if (!queues_)
    return;
  auto& log = queues_->log;
  while (!log.empty() && log.front().marks.number <= number) {
    gone.push_back(std::move(log.front()));
    log.pop_front();
  }
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
