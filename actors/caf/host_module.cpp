#include "actors/caf/host_module.hpp"

#include "actors/caf/worker_system.hpp"

#include <map>

namespace bulkhead::actors {

namespace {

struct records {
  std::mutex mutex;
  std::map<const caf::actor_system*, std::shared_ptr<host_record>> by_system;
};

// Never destroyed: systems with static lifetime leave later than it would.
records& all() {
  static auto* instance = new records;
  return *instance;
}

} // namespace

std::shared_ptr<void> host_record::at_shutdown(std::function<void()> f) {
  auto kept = std::make_shared<entry>(std::move(f));
  std::unique_lock lock{mutex_};
  // The system ends already, and nobody runs the list again: it is called at once.
  if (over_) {
    lock.unlock();
    (*kept)();
    return kept;
  }
  std::erase_if(entries_, [](const auto& e) { return e.expired(); });
  entries_.push_back(kept);
  return kept;
}

void host_record::run_all() {
  std::vector<std::weak_ptr<entry>> now;
  {
    std::lock_guard lock{mutex_};
    over_ = true;
    now.swap(entries_);
  }
  for (auto& e : now)
    if (auto f = e.lock())
      (*f)();
}

std::shared_ptr<host_record> host_record::of(const caf::actor_system& system) {
  std::lock_guard lock{all().mutex};
  auto i = all().by_system.find(&system);
  return i == all().by_system.end() ? nullptr : i->second;
}

std::shared_ptr<host_record> host_record::enter(const caf::actor_system& system) {
  auto record = std::make_shared<host_record>();
  std::lock_guard lock{all().mutex};
  all().by_system[&system] = record;
  return record;
}

void host_record::leave(const caf::actor_system& system, const host_record* record) {
  std::lock_guard lock{all().mutex};
  auto i = all().by_system.find(&system);
  // A new system may stand at the address of an old one whose module ends later.
  if (i != all().by_system.end() && i->second.get() == record)
    all().by_system.erase(i);
}

bool is_host(const caf::actor_system& system) { return host_record::of(system) != nullptr; }

std::shared_ptr<void> at_shutdown(caf::actor_system& system, std::function<void()> f) {
  auto record = host_record::of(system);
  return record ? record->at_shutdown(std::move(f)) : nullptr;
}

} // namespace bulkhead::actors
