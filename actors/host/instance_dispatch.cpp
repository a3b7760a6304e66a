#include "actors/host/instance_pool.hpp"

#include "actors/caf/failure_error.hpp"
#include "actors/host/gatherer.hpp"
#include "actors/host/thrown_text.hpp"
#include "runtime/dispatch/policy.hpp"

#include <caf/actor_cast.hpp>
#include <caf/actor_system.hpp>

#include <algorithm>

// How a message finds its instance. Senders come here in their own threads, deaths and answers in
// those that read the links. The mutex guards the instances and the line; no user's function and no
// send runs under it, so a choice may be out of date when it is used, and then the next one is
// tried. A message keeps its number: what comes back from a dead instance goes into the line where
// it belongs by its age.
namespace bulkhead::actors {

/// Follows a parcel to its instance.
class parcel_watch final : public request_watch {
public:
  parcel_watch(std::weak_ptr<instance_pool> pool, std::size_t at, std::uint64_t generation,
               const parcel& p)
    : pool_(std::move(pool)), at_(at), generation_(generation), parcel_(p) {}

  void answered() override {
    if (auto pool = pool_.lock())
      pool->answered(at_, generation_);
  }
  bool lost(const caf::error&, bool delivered) override {
    auto pool = pool_.lock();
    return pool && pool->lost(at_, generation_, std::move(parcel_), delivered);
  }

private:
  const std::weak_ptr<instance_pool> pool_;
  const std::size_t at_;
  const std::uint64_t generation_;
  parcel parcel_;
};

void instance_pool::take(parcel p) {
  if (p.mid.is_response())
    return;
  p.deadline = marks_scope::current().deadline;
  bool closed = false;
  {
    const std::lock_guard lock{mutex_};
    // Only here, at its arrival. Later ways, after a death or out of the line, keep it.
    p.number = ++numbers_;
    closed = closed_ && !over_;
    ++counts_.messages;
  }
  if (closed)
    refuse(p, "the pool of actors is closed", failure_kind::pool_closed);
  else
    route(std::move(p), origin::sender);
}

void instance_pool::route(parcel p, origin from) {
  if (p.part != 0) { // split already
    dispatch(std::move(p), from);
    return;
  }
  switch (how_.how) {
  case distribution::kind::broadcast:
  case distribution::kind::first_answer:
  case distribution::kind::scatter_gather:
    dispatch_to_all(p, from);
    break;
  default:
    dispatch(std::move(p), from);
  }
}

bool instance_pool::over() {
  const std::lock_guard lock{mutex_};
  return over_;
}

void instance_pool::dispatch(parcel p, origin from) {
  for (;;) {
    std::size_t at = none;
    if (over()) {
      refuse(p, "the pool of actors has ended", failure_kind::pool_closed);
      return;
    }
    try {
      at = pick(p.content);
    } catch (...) {
      refuse(p, "the distribution's function threw " + thrown_text(), failure_kind::rejected);
      return;
    }
    // After the choice: one that was made because an instance is down sees that its messages move.
    if (wait_in_line(p, from))
      return;
    if (at == none ? keep(p, from) : send(at, p))
      return;
  }
}

bool instance_pool::any_moving() const noexcept {
  return std::ranges::any_of(instances_, &instance::moving);
}

// Under the lock. Where its end has been dealt with already, nothing moves any more.
void instance_pool::note_death(instance& one) noexcept {
  // While `moving` is set, what the dead instance had not begun is on its way back; new messages
  // wait, or they would overtake it.
  one.actor = nullptr;
  one.moving = one.process != nullptr;
}

bool instance_pool::wait_in_line(parcel& p, origin from) {
  // What comes back from a dead instance is what the line waits for, so it does not wait in it.
  if (from == origin::dead_instance)
    return false;
  {
    const std::lock_guard lock{mutex_};
    const bool has_line = draining_ || !line_.empty();
    if (over_ || !(any_moving() || (from == origin::sender && has_line)))
      return false;
    // What was taken once is never refused for want of room; the bound is for senders.
    if (from != origin::sender || line_.size() < options_.queue_capacity) {
      wait_for(std::move(p));
      return true;
    }
  }
  refuse(p, "an instance of the pool is being replaced and its backlog is full",
         failure_kind::rejected);
  return true;
}

// Under the lock. Whoever ends the reason for which this says no calls drain() again.
bool instance_pool::next_in_line(parcel& p) {
  if (over_ || line_.empty() || any_moving() || serving().empty())
    return false;
  p = std::move(line_.extract(line_.begin()).mapped());
  return true;
}

void instance_pool::wait_for(parcel&& p) {
  const place_in_line at{p.number, p.part};
  line_.emplace(at, std::move(p));
}

std::deque<parcel> instance_pool::take_line() {
  std::deque<parcel> all;
  for (auto& [at, p] : std::exchange(line_, {}))
    all.push_back(std::move(p));
  return all;
}

void instance_pool::drain() {
  no_wait_scope these_were_taken_already;
  {
    const std::lock_guard lock{mutex_};
    if (std::exchange(draining_, true))
      return; // another thread looks again before it ends
  }
  for (;;) {
    parcel p;
    {
      const std::lock_guard lock{mutex_};
      // The flag falls in the same hold of the mutex in which the line was found closed, so whoever
      // opens it later starts a new drain.
      draining_ = next_in_line(p);
      if (!draining_)
        return;
    }
    route(std::move(p), origin::line);
  }
}

// False: the instance is gone and marked down; `p` is intact, try the next.
bool instance_pool::send(std::size_t at, const parcel& p) {
  caf::strong_actor_ptr actor;
  std::uint64_t generation = 0;
  peer_id peer = 0;
  {
    const std::lock_guard lock{mutex_};
    auto& one = instances_[at];
    if (!one.serves() || !one.process)
      return false;
    actor = one.actor;
    generation = one.generation;
    peer = one.process->peer();
    ++one.load;
  }
  // The load was counted before, since the answer may come before send() returns.
  auto watch = std::make_shared<parcel_watch>(weak_from_this(), at, generation, p);
  const marks_scope goes_along{{p.deadline, 0}};
  switch (hub_->edge().send({peer, actor->id()}, p.sender, p.mid, p.content, watch)) {
  case link::sent::ok:
    return true;
  case link::sent::full:
    answered(at, generation);
    refuse(p, "the instance takes no more messages: its mailbox is full", failure_kind::rejected);
    return true;
  case link::sent::dead:
    break;
  }
  const std::lock_guard lock{mutex_};
  if (instances_[at].generation == generation)
    note_death(instances_[at]);
  return false;
}

void instance_pool::dispatch_to_all(parcel& p, origin from_where) {
  if (wait_in_line(p, from_where))
    return;
  std::size_t up = 0;
  std::size_t places = 0;
  while (up == 0) {
    {
      const std::lock_guard lock{mutex_};
      up = serving().size();
      places = instances_.size();
    }
    if (up == 0 && keep(p, from_where)) // they restart
      return;
  }
  // An instance may die between this count and the sends; its part goes to another, so the split
  // stays whole.
  std::vector<caf::message> parts;
  try {
    parts = parts_of(p.content, up);
  } catch (...) {
    refuse(p, "the distribution's split threw " + thrown_text(), failure_kind::rejected);
    return;
  }
  if (parts.empty()) {
    refuse(p, "the distribution's split made no parts", failure_kind::rejected);
    return;
  }
  auto& system = hub_->system();
  // Only who waits for the one answer needs somebody who joins the answers; a plain message keeps
  // its sender, to whom the instances may write.
  auto from = p.sender;
  if (p.mid.is_request())
    from = make_proxy<gatherer>(system, system.next_actor_id(), system.node(), p.sender, p.mid,
                                parts.size(), how_);
  std::size_t at = 0;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    parcel part{from,
                p.mid.is_request() ? gatherer::part_id(i) : p.mid,
                std::move(parts[i]),
                0,
                p.number,
                i + 1,
                p.deadline};
    // The next instance that serves; one that died meanwhile leaves its part to another.
    bool sent = false;
    for (std::size_t tries = 0; !sent && tries < places; ++tries)
      sent = send(at++ % places, part);
    // All have died since; it waits for the next one, as any other message does.
    if (!sent)
      dispatch(std::move(part), origin::dead_instance);
  }
}

std::vector<caf::message> instance_pool::parts_of(const caf::message& msg,
                                                  std::size_t instances) const {
  if (how_.how == distribution::kind::scatter_gather)
    return how_.split(msg, instances);
  return std::vector<caf::message>(instances, msg);
}

std::vector<std::size_t> instance_pool::serving() const {
  std::vector<std::size_t> up;
  for (std::size_t i = 0; i < instances_.size(); ++i)
    if (instances_[i].serves())
      up.push_back(i);
  return up;
}

// The user's functions run without the lock: they may use the pool's actor themselves.
std::size_t instance_pool::pick(const caf::message& msg) {
  if (how_.how == distribution::kind::choose)
    return pick_by_choice(msg);
  if (how_.how == distribution::kind::key_hash || options_.dispatch == dispatch_policy::key_hash) {
    const auto key = how_.key ? how_.key(msg) : first_element_text(msg);
    const std::lock_guard lock{mutex_};
    return pick_by_key(key);
  }
  const std::lock_guard lock{mutex_};
  return pick_by_options();
}

std::size_t instance_pool::pick_by_choice(const caf::message& msg) {
  std::vector<std::size_t> up;
  std::vector<std::size_t> loads;
  {
    const std::lock_guard lock{mutex_};
    up = serving();
    for (auto i : up)
      loads.push_back(instances_[i].load);
  }
  if (up.empty())
    return none;
  return up[std::min(how_.chooser(msg, loads), up.size() - 1)];
}

std::size_t instance_pool::pick_by_options() {
  const auto up = serving();
  if (up.empty())
    return none;
  switch (options_.dispatch) {
  case dispatch_policy::round_robin:
    return up[next_++ % up.size()];
  case dispatch_policy::random:
    return up[random_() % up.size()];
  default:
    return *std::min_element(up.begin(), up.end(), [this](std::size_t a, std::size_t b) {
      return instances_[a].load < instances_[b].load;
    });
  }
}

std::size_t instance_pool::pick_by_key(const std::string& key) const {
  const auto at = runtime::owner_of(
    key, instances_.size(), [](std::size_t i) { return i + 1; },
    [this](std::size_t i) { return instances_[i].serves(); });
  return at == runtime::nobody ? none : at;
}

bool instance_pool::keep(parcel& p, origin from) {
  bool over = false;
  {
    const std::lock_guard lock{mutex_};
    over = over_;
    if (!over && !serving().empty())
      return false;
    if (!over && (from != origin::sender || line_.size() < options_.queue_capacity)) {
      wait_for(std::move(p));
      return true;
    }
  }
  if (over)
    refuse(p, "the pool of actors has ended", failure_kind::pool_closed);
  else
    refuse(p, "no instance of the pool serves now and its backlog is full", failure_kind::rejected);
  return true;
}

void instance_pool::refuse(const parcel& p, const std::string& why, failure_kind kind) {
  {
    const std::lock_guard lock{mutex_};
    ++counts_.refused;
  }
  failure f;
  f.kind = kind;
  f.message = why;
  if (p.sender && p.mid.is_request())
    answer_error(p.sender, p.mid, to_error(f), nullptr);
  else
    hub_->edge().letters.add(why);
}

// An answer of an earlier generation belongs to a load that was set to zero since.
void instance_pool::answered(std::size_t at, std::uint64_t generation) noexcept {
  const std::lock_guard lock{mutex_};
  auto& one = instances_[at];
  if (one.generation == generation && one.load > 0)
    --one.load;
}

bool instance_pool::lost(std::size_t at, std::uint64_t generation, parcel&& p, bool delivered) {
  {
    const std::lock_guard lock{mutex_};
    if (instances_[at].generation == generation)
      note_death(instances_[at]);
    if (over_)
      return false;
    counts_.moved += !delivered;
  }
  // A request that was delivered may have run, and is asked again only as often as `retries`
  // allows. A message that is no request and was delivered has had its chance.
  if (delivered && (!p.mid.is_request() || p.attempts >= options_.retries))
    return false;
  if (delivered)
    ++p.attempts;
  dispatch(std::move(p), origin::dead_instance);
  return true;
}

namespace {

class instance_pool_actor final : public proxy_base {
public:
  instance_pool_actor(caf::actor_config& config, std::shared_ptr<actor_hub> hub,
                      std::shared_ptr<instance_pool> pool)
    : proxy_base(config), hub_(std::move(hub)), pool_(std::move(pool)) {}
  // The last handle is gone: nobody can send any more, and the instances have nothing to wait for.
  ~instance_pool_actor() override { pool_->stop(); }

  void on_send(caf::strong_actor_ptr sender, caf::message_id mid, caf::message msg) override {
    auto exit = as_exit(msg);
    if (!exit) {
      pool_->take({std::move(sender), mid, std::move(msg)});
      return;
    }
    if (!exit->reason || killed())
      return;
    pool_->stop();
    kill(exit->reason);
  }
  void on_link(caf::abstract_actor*, bool) override {}
  const std::shared_ptr<instance_pool>& pool() const noexcept { return pool_; }

private:
  const std::shared_ptr<actor_hub> hub_;
  const std::shared_ptr<instance_pool> pool_;
};

} // namespace

std::shared_ptr<instance_pool> instance_pool_behind(const caf::strong_actor_ptr& front) {
  const auto* known = dynamic_cast<instance_pool_actor*>(front->get());
  return known != nullptr ? known->pool() : nullptr;
}

caf::actor make_instance_pool_actor(const std::shared_ptr<actor_hub>& hub,
                                    const std::shared_ptr<instance_pool>& pool) {
  auto& system = hub->system();
  auto made =
    make_proxy<instance_pool_actor>(system, system.next_actor_id(), system.node(), hub, pool);
  pool->on_over = [weak = caf::actor_cast<caf::weak_actor_ptr>(made)](const caf::error& reason) {
    if (auto alive = weak.lock())
      static_cast<proxy_base*>(alive->get())->kill(reason);
  };
  return caf::actor_cast<caf::actor>(made);
}

} // namespace bulkhead::actors
