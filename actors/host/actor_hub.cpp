#include "actors/host/actor_hub.hpp"

#include "actors/caf/failure_error.hpp"
#include "actors/caf/worker_system.hpp"

#include <bulkhead/error.hpp>

// One hub for each actor system, found by the system's address. Two locks: the table of hubs, under
// which a hub is made, and the hub's own for peers and parts. A callback into a process or a user's
// part runs under neither.
namespace bulkhead::actors {

namespace {

struct hubs {
  std::mutex mutex;
  std::map<const caf::actor_system*, std::weak_ptr<actor_hub>> by_system;
};

hubs& all_hubs() {
  // Never destroyed: systems and the runtime thread may outlive the static objects.
  static auto& only = *new hubs;
  return only;
}

caf::error shutdown_error() {
  failure f;
  f.kind = failure_kind::worker_died;
  f.message = "the pool has ended";
  f.exit.cause = exit_cause::shutdown;
  return to_error(f);
}

} // namespace

std::shared_ptr<actor_hub> actor_hub::of(caf::actor_system& system) {
  if (!is_host(system))
    throw config_error("this caf::actor_system was not prepared for worker processes: call "
                       "bulkhead::configure(config) before the system is made from it");
  auto& all = all_hubs();
  // The hub of an ended system at the same address, which the runtime thread may still hold; its
  // destructor takes the lock.
  std::shared_ptr<actor_hub> ended;
  std::lock_guard lock{all.mutex};
  auto& known = all.by_system[&system];
  auto hub = known.lock();
  if (!hub || !hub->open()) {
    ended = std::move(hub);
    hub = std::shared_ptr<actor_hub>(new actor_hub(system));
    known = hub;
    // Border and system keep these callbacks; strong pointers would keep the hub alive for ever.
    auto weak = hub->weak_from_this();
    hub->border_->on_control = [weak](link& from, const frame& f) {
      auto self = weak.lock();
      return self && self->on_control(from, f);
    };
    static_cast<name_desk*>(hub->names_->get())->on_spawn =
      [weak](peer_id asker, const std::string& behavior, const caf::message& args,
             const name_desk::spawn_done& done) {
        if (auto self = weak.lock())
          self->spawn_for(asker, behavior, args, done);
      };
    hub->shutdown_token_ = at_shutdown(system, [weak] {
      if (auto self = weak.lock())
        self->shut_down();
    });
  }
  return hub;
}

actor_hub::actor_hub(caf::actor_system& system)
  : system_(system), reactor_(runtime::reactor::acquire()),
    border_(std::make_shared<border>(system, host_peer, nullptr)) {
  byte_buf bytes;
  resolve_handle none;
  codec{system_, none}.encode(bytes, system.node());
  const auto view = as_bytes(bytes);
  node_bytes_.assign(view.begin(), view.end());
  // The desk has its id before any worker starts, since each is told it at its start and may send
  // there at once.
  names_id_ = system_.next_actor_id();
  names_ = make_proxy<name_desk>(system_, names_id_, system_.node(), border_);
  border_->open_to_all(names_);
}

actor_hub::~actor_hub() {
  {
    auto& all = all_hubs();
    std::lock_guard lock{all.mutex};
    auto i = all.by_system.find(&system_);
    // A new system may have been made at the same address meanwhile; its hub is not to be erased.
    if (i != all.by_system.end() && i->second.expired())
      all.by_system.erase(i);
  }
  border_->close(shutdown_error());
}

std::shared_ptr<actor_hub> actor_hub::find(const caf::actor_system& system) {
  auto& all = all_hubs();
  std::lock_guard lock{all.mutex};
  const auto known = all.by_system.find(&system);
  return known == all.by_system.end() ? nullptr : known->second.lock();
}

peer_id actor_hub::enroll(handler on_control, std::weak_ptr<actor_process> process) {
  std::lock_guard lock{mutex_};
  const auto peer = next_peer_++;
  peers_[peer] = {std::move(on_control), std::move(process), {}};
  return peer;
}

std::shared_ptr<actor_process> actor_hub::process_of(peer_id peer) {
  std::lock_guard lock{mutex_};
  const auto known = peers_.find(peer);
  return known == peers_.end() ? nullptr : known->second.process.lock();
}

void actor_hub::dismiss(peer_id peer, std::uint64_t expired) {
  entry gone; // destroyed without the lock
  std::lock_guard lock{mutex_};
  if (auto i = peers_.find(peer); i != peers_.end()) {
    gone = std::move(i->second);
    expired_ += expired;
    peers_.erase(i);
  }
}

void actor_hub::let_spawn(peer_id peer, spawner f) {
  std::lock_guard lock{mutex_};
  if (const auto known = peers_.find(peer); known != peers_.end())
    known->second.spawn_beside = std::move(f);
}

void actor_hub::spawn_for(peer_id asker, const std::string& behavior, const caf::message& args,
                          const name_desk::spawn_done& done) {
  spawner run; // without the lock
  {
    std::lock_guard lock{mutex_};
    if (const auto known = peers_.find(asker); known != peers_.end())
      run = known->second.spawn_beside;
  }
  if (run)
    run(behavior, args, done);
  else
    done(nullptr, "spawn_beside: not for actors of a spawn_pool, whose workers have one each");
}

std::vector<std::shared_ptr<actor_process>> actor_hub::processes(std::uint64_t& expired) {
  std::vector<std::shared_ptr<actor_process>> all;
  const std::lock_guard lock{mutex_};
  expired = expired_;
  for (const auto& [peer, e] : peers_)
    if (auto process = e.process.lock())
      all.push_back(std::move(process));
  return all;
}

bool actor_hub::on_control(link& from, const frame& f) {
  handler run;
  {
    std::lock_guard lock{mutex_};
    auto i = peers_.find(from.peer());
    if (i == peers_.end())
      return true; // its owner has let go; the link fails soon
    run = i->second.on_control;
  }
  return run(from, f);
}

caf::strong_actor_ptr actor_hub::names() {
  if (auto keeper = find_names())
    return keeper;
  throw pool_closed("the actor system has ended; it has no names any more");
}

caf::strong_actor_ptr actor_hub::find_names() {
  std::lock_guard lock{mutex_};
  return names_;
}

void actor_hub::close_names() noexcept {
  caf::strong_actor_ptr gone;
  {
    std::lock_guard lock{mutex_};
    gone.swap(names_);
  }
  if (gone)
    static_cast<name_desk*>(gone->get())->close();
}

void actor_hub::add(const std::shared_ptr<endable>& part) {
  std::lock_guard lock{mutex_};
  std::erase_if(parts_, [](const auto& p) { return p.expired(); });
  parts_.push_back(part);
}

// In the thread that destroys the system, which outlives this call.
void actor_hub::shut_down() noexcept {
  // From here on nobody starts anything. Then users' parts end, which refuse what waits; then the
  // processes, whose last messages need the border; then names and border, which use the system;
  // the threads last, since all of these may still call back.
  over_.store(true, std::memory_order_release);
  std::vector<std::weak_ptr<endable>> parts;
  {
    std::lock_guard lock{mutex_};
    parts.swap(parts_);
  }
  for (auto& p : parts)
    if (auto alive = p.lock())
      alive->end();
  end_processes();
  close_names();
  border_->close(shutdown_error());
  launches_.stop();
  callbacks_.stop();
}

void actor_hub::call_back(std::function<void()> f) { callbacks_.run(std::move(f)); }

void actor_hub::launch_later(std::function<void()> f) { launches_.run(std::move(f)); }

// acq_rel: who finds it false sees what the last tidy() left; who finds it true has left its own
// work to the next one.
void actor_hub::tidy_later() {
  if (tidying_.exchange(true, std::memory_order_acq_rel))
    return;
  reactor_->at(runtime::reactor::clock::now() + border::linger, [weak = weak_from_this()] {
    if (auto self = weak.lock())
      self->tidy();
  });
}

void actor_hub::tidy() {
  // acq_rel: see tidy_later(); before it looks, so that what comes meanwhile asks again.
  tidying_.exchange(false, std::memory_order_acq_rel);
  if (open() && border_->tidy(border::clock::now()) != border::clock::time_point::max())
    tidy_later();
}

} // namespace bulkhead::actors
