#include "actors/border/pending.hpp"

#include "actors/caf/proxy.hpp"

#include <algorithm>

namespace bulkhead::actors {

void pending_table::add(entry e, std::uint64_t popped) {
  std::vector<entry> gone; // destroyed and told without the lock
  {
    std::lock_guard lock{mutex_};
    if (e.sender) {
      if (requests_.size() >= sweep_at_)
        sweep(gone);
      const auto k = key_of(e.sender, e.mid);
      requests_.insert_or_assign(k, std::move(e));
    } else if (e.watch) {
      while (!messages_.empty() && messages_.front().piece <= popped) {
        gone.push_back(std::move(messages_.front()));
        messages_.pop_front();
      }
      messages_.push_back(std::move(e));
    }
  }
  for (auto& g : gone)
    if (g.watch)
      g.watch->answered();
}

void pending_table::answered(const caf::strong_actor_ptr& to, caf::message_id mid) {
  decltype(requests_)::node_type done;
  {
    std::lock_guard lock{mutex_};
    done = requests_.extract(key_of(to, mid));
  }
  if (done && done.mapped().watch)
    done.mapped().watch->answered();
}

bool pending_table::waits(const caf::strong_actor_ptr& sender, caf::message_id mid) const {
  std::lock_guard lock{mutex_};
  return requests_.contains(key_of(sender, mid));
}

bool pending_table::withdraw(const caf::strong_actor_ptr& sender, caf::message_id mid) {
  decltype(requests_)::node_type done;
  std::lock_guard lock{mutex_};
  done = requests_.extract(key_of(sender, mid));
  return !done.empty();
}

std::vector<pending_table::entry> pending_table::take() {
  std::vector<entry> result;
  std::lock_guard lock{mutex_};
  result.reserve(requests_.size() + messages_.size());
  for (auto& [k, e] : requests_)
    result.push_back(std::move(e));
  for (auto& e : messages_)
    result.push_back(std::move(e));
  requests_.clear();
  messages_.clear();
  // As they were sent: what is sent on to another keeps the order of each sender.
  std::stable_sort(result.begin(), result.end(),
                   [](const entry& a, const entry& b) { return a.piece < b.piece; });
  return result;
}

std::size_t pending_table::requests() const {
  std::lock_guard lock{mutex_};
  return requests_.size();
}

// A requester whose own time-out fired leaves its entry; once it has ended nobody waits for it.
void pending_table::sweep(std::vector<entry>& gone) {
  for (auto i = requests_.begin(); i != requests_.end();) {
    if (proxy_base::terminated(i->second.sender->get())) {
      gone.push_back(std::move(i->second));
      i = requests_.erase(i);
    } else {
      ++i;
    }
  }
  sweep_at_ = std::max<std::size_t>(1024, 2 * requests_.size());
}

} // namespace bulkhead::actors
