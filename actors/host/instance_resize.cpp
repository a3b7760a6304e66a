#include "actors/caf/failure_error.hpp"
#include "actors/host/instance_pool.hpp"
#include "runtime/this_process/own_process.hpp"

#include <bulkhead/error.hpp>

#include <algorithm>
#include <string>

// More and fewer instances. Who is one too many takes nothing new and gets its exit message when it
// owes nothing; that is looked at now and then while somebody leaves, since the host learns of a
// plain message that it was taken only when it looks.
namespace bulkhead::actors {

namespace {

constexpr std::size_t most_instances = 4096;
constexpr std::chrono::milliseconds look_interval{10};

} // namespace

void instance_pool::resize(std::size_t n) {
  if (n == 0 || n > most_instances)
    throw config_error("instance_pool::resize: " + std::to_string(n) + " instances; allowed: 1 to "
                       + std::to_string(most_instances) + "; close() ends all");
  std::vector<std::size_t> fresh;
  {
    const std::lock_guard lock{mutex_};
    if (over_ || closed_)
      throw pool_closed("the pool of actors is closed: it has no size any more");
    const auto before = instances_.size();
    instances_.resize(std::max(before, n));
    wanted_ = n;
    for (std::size_t i = 0; i < instances_.size(); ++i) {
      auto& one = instances_[i];
      one.leaves = i >= n;
      if (!one.leaves && (i >= before || std::exchange(one.empty, false)))
        fresh.push_back(i);
    }
  }
  for (const auto at : fresh)
    restart_later(at);
  drain(); // one that was leaving may serve again
  look_later();
}

void instance_pool::close() noexcept {
  {
    const std::lock_guard lock{mutex_};
    if (over_ || std::exchange(closed_, true))
      return;
  }
  look_later();
}

// Under the lock.
bool instance_pool::all_answered() const noexcept {
  return line_.empty() && !draining_
         && std::ranges::all_of(instances_, [](const auto& i) { return i.load == 0; });
}

// Under the lock.
std::vector<instance_pool::leaving> instance_pool::take_leaving() {
  std::vector<leaving> all;
  for (auto& one : instances_)
    if ((one.leaves || one.aged) && one.process && one.load == 0 && !std::exchange(one.told, true))
      all.push_back({one.process, one.leaves ? exit_cause::shutdown : exit_cause::recycled});
  return all;
}

// One at a time, so that others serve meanwhile.
void instance_pool::retire(std::size_t at, std::uint64_t generation,
                           actor_process::clock::time_point when) {
  hub_->thread()->at(when, [weak = weak_from_this(), at, generation] {
    const auto self = weak.lock();
    if (!self)
      return;
    bool turn = false;
    {
      const std::lock_guard lock{self->mutex_};
      auto& one = self->instances_[at];
      if (self->over_ || one.generation != generation)
        return;
      turn = std::ranges::none_of(self->instances_, &instance::aged);
      one.aged = turn;
    }
    if (turn)
      self->look_later();
    else
      self->retire(at, generation, actor_process::clock::now() + look_interval);
  });
}

bool instance_pool::somebody_leaves() const noexcept {
  return closed_ || std::ranges::any_of(instances_, [](const auto& i) {
           return (i.leaves || i.aged) && !i.told && !i.empty;
         });
}

void instance_pool::look_later() noexcept {
  {
    const std::lock_guard lock{mutex_};
    if (over_ || !somebody_leaves() || std::exchange(looks_, true))
      return;
  }
  hub_->thread()->at(actor_process::clock::now() + look_interval, [weak = weak_from_this()] {
    if (auto self = weak.lock())
      self->look();
  });
}

void instance_pool::look() {
  std::vector<std::shared_ptr<actor_process>> all;
  {
    const std::lock_guard lock{mutex_};
    looks_ = false;
    for (const auto& one : instances_)
      if (one.process)
        all.push_back(one.process);
  }
  for (const auto& process : all)
    process->tell_taken();
  bool done = false;
  std::vector<leaving> gone;
  {
    const std::lock_guard lock{mutex_};
    done = closed_ && !over_ && all_answered();
    if (!done)
      gone = take_leaving();
  }
  for (const auto& one : gone)
    one.process->stop(one.why, options_.grace);
  if (!done) {
    look_later();
    return;
  }
  stop();
  if (on_over)
    on_over(make_error(caf::exit_reason::user_shutdown));
}

} // namespace bulkhead::actors
