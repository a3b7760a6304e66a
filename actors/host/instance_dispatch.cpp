#include "actors/host/instance_pool.hpp"

#include "actors/caf/failure_error.hpp"
#include "actors/host/gatherer.hpp"
#include "actors/host/thrown_text.hpp"

#include <caf/actor_cast.hpp>
#include <caf/actor_system.hpp>

#include <algorithm>
#include <functional>

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
  switch (how_.how) {
  case distribution::kind::broadcast:
  case distribution::kind::first_answer:
  case distribution::kind::scatter_gather:
    dispatch_to_all(p);
    break;
  default:
    dispatch(std::move(p));
  }
}

bool instance_pool::over() {
  const std::lock_guard lock{mutex_};
  return over_;
}

void instance_pool::dispatch(parcel p) {
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
    if (at == none) {
      keep(std::move(p));
      return;
    }
    if (send(at, p))
      return;
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
    if (!one.actor || !one.process)
      return false;
    actor = one.actor;
    generation = one.generation;
    peer = one.process->peer();
    ++one.load;
  }
  auto watch = std::make_shared<parcel_watch>(weak_from_this(), at, generation, p);
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
    instances_[at].actor = nullptr;
  return false;
}

void instance_pool::dispatch_to_all(const parcel& p) {
  std::size_t up = 0;
  {
    const std::lock_guard lock{mutex_};
    for (auto& one : instances_)
      up += one.actor != nullptr;
  }
  if (up == 0) {
    refuse(p, "no instance of the pool serves now", failure_kind::pool_broken);
    return;
  }
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
    parcel part{from, p.mid.is_request() ? gatherer::part_id(i) : p.mid, std::move(parts[i])};
    // The next instance that serves; one that died meanwhile leaves its part to another.
    bool sent = false;
    for (std::size_t tries = 0; !sent && tries < instances_.size(); ++tries)
      sent = send(at++ % instances_.size(), part);
    if (!sent)
      refuse(part, "no instance of the pool serves now", failure_kind::pool_broken);
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
    if (instances_[i].actor)
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

// Rendezvous hashing: each key prefers the instances in an order of its own, so the death of one
// moves only its keys.
std::size_t instance_pool::pick_by_key(const std::string& key) const {
  const auto hash = std::hash<std::string>{}(key);
  std::size_t best = none;
  std::uint64_t best_weight = 0;
  for (std::size_t i = 0; i < instances_.size(); ++i) {
    if (!instances_[i].actor)
      continue;
    std::uint64_t weight = hash ^ ((i + 1) * 0x9e3779b97f4a7c15u);
    weight = (weight ^ (weight >> 30)) * 0xbf58476d1ce4e5b9u;
    weight = (weight ^ (weight >> 27)) * 0x94d049bb133111ebu;
    weight ^= weight >> 31;
    if (best == none || weight > best_weight) {
      best = i;
      best_weight = weight;
    }
  }
  return best;
}

void instance_pool::keep(parcel&& p) {
  {
    const std::lock_guard lock{mutex_};
    if (!over_ && waiting_.size() < options_.queue_capacity) {
      waiting_.push_back(std::move(p));
      return;
    }
  }
  refuse(p, "no instance of the pool serves now and its backlog is full", failure_kind::rejected);
}

void instance_pool::refuse(const parcel& p, const std::string& why, failure_kind kind) const {
  failure f;
  f.kind = kind;
  f.message = why;
  if (p.sender && p.mid.is_request())
    answer_error(p.sender, p.mid, to_error(f), nullptr);
  else
    hub_->edge().letters.add(why);
}

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
      instances_[at].actor = nullptr;
    if (over_)
      return false;
  }
  // A message that is no request and was delivered has had its chance.
  if (delivered && (!p.mid.is_request() || p.attempts >= options_.retries))
    return false;
  if (delivered)
    ++p.attempts;
  dispatch(std::move(p));
  return true;
}

namespace {

class instance_pool_actor final : public proxy_base {
public:
  instance_pool_actor(caf::actor_config& config, std::shared_ptr<actor_hub> hub,
                      std::shared_ptr<instance_pool> pool)
    : proxy_base(config), hub_(std::move(hub)), pool_(std::move(pool)) {}
  // The last handle is gone.
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

private:
  const std::shared_ptr<actor_hub> hub_;
  const std::shared_ptr<instance_pool> pool_;
};

} // namespace

caf::actor make_instance_pool_actor(const std::shared_ptr<actor_hub>& hub,
                                    const std::shared_ptr<instance_pool>& pool) {
  auto& system = hub->system();
  auto made =
    make_proxy<instance_pool_actor>(system, system.next_actor_id(), system.node(), hub, pool);
  pool->on_broken = [weak = caf::actor_cast<caf::weak_actor_ptr>(made)](const caf::error& reason) {
    if (auto alive = weak.lock())
      static_cast<proxy_base*>(alive->get())->kill(reason);
  };
  return caf::actor_cast<caf::actor>(made);
}

} // namespace bulkhead::actors
