#include "actors/border/pending.hpp"

#include "actors/caf/proxy.hpp"

#include <algorithm>

// Who waits for an answer, and messages that want to know whether they were seen. Senders add, the
// reader removes, a death takes all; each entry leaves once, under the mutex, and is told without
// it.
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
      take_popped(popped, gone);
      messages_.push_back(std::move(e));
    }
  }
  for (auto& g : gone)
    if (g.watch)
      g.watch->answered();
}

// Under the lock. What the peer has taken cannot move on any more. They lie in the order of their
// pieces.
void pending_table::take_popped(std::uint64_t count, std::vector<entry>& gone) {
  while (!messages_.empty() && messages_.front().piece <= count) {
    gone.push_back(std::move(messages_.front()));
    messages_.pop_front();
  }
}

void pending_table::popped(std::uint64_t count) {
  std::vector<entry> gone; // told without the lock
  {
    std::lock_guard lock{mutex_};
    take_popped(count, gone);
  }
  for (auto& g : gone)
    g.watch->answered();
}

bool pending_table::answered(const caf::strong_actor_ptr& to, caf::message_id mid,
                             message_marks::time_point* deadline) {
  decltype(requests_)::node_type done;
  {
    std::lock_guard lock{mutex_};
    done = requests_.extract(key_of(to, mid));
  }
  if (done && deadline != nullptr)
    *deadline = done.mapped().deadline;
  if (done && done.mapped().watch)
    done.mapped().watch->answered();
  return !done.empty();
}

bool pending_table::waits(const caf::strong_actor_ptr& sender, caf::message_id mid) const {
  std::lock_guard lock{mutex_};
  return requests_.contains(key_of(sender, mid));
}

std::optional<peer_id> pending_table::abandon(const caf::strong_actor_ptr& sender,
                                              caf::message_id mid) {
  decltype(requests_)::node_type done;
  {
    std::lock_guard lock{mutex_};
    done = requests_.extract(key_of(sender, mid));
    sweep_at_ = std::min(sweep_at_, std::max(small, 2 * requests_.size()));
  }
  if (!done)
    return std::nullopt;
  if (done.mapped().watch)
    done.mapped().watch->answered();
  return done.mapped().to;
}

// Relaxed: a hint for the thread that just added; whoever takes it looks under the lock.
bool pending_table::take_crowded() noexcept {
  return crowded_.load(std::memory_order_relaxed)
         && crowded_.exchange(false, std::memory_order_relaxed);
}

std::vector<pending_table::asked> pending_table::by_requester() const {
  std::vector<asked> result;
  std::unordered_map<const void*, std::size_t> places;
  std::lock_guard lock{mutex_};
  for (const auto& [k, e] : requests_) {
    const auto [place, fresh] = places.try_emplace(k.sender, result.size());
    if (fresh)
      result.push_back({e.sender, {}});
    result[place->second].requests.push_back(e.mid);
  }
  return result;
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

// Who has ended waits no more. Of the others, those whose own time-out fired have to be asked.
void pending_table::sweep(std::vector<entry>& gone) {
  for (auto i = requests_.begin(); i != requests_.end();) {
    if (proxy_base::terminated(i->second.sender->get())) {
      gone.push_back(std::move(i->second));
      i = requests_.erase(i);
    } else {
      ++i;
    }
  }
  sweep_at_ = std::max(small, 2 * requests_.size());
  crowded_.store(true, std::memory_order_relaxed); // see take_crowded
}

} // namespace bulkhead::actors
