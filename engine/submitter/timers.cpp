#include "engine/courier/courier.hpp"
#include "engine/submitter/submitter.hpp"
#include "runtime/outcome/failure_of.hpp"
#include "runtime/outcome/failure_wire.hpp"

#include <algorithm>
#include <bit>
#include <set>
#include <utility>

// What happens by the clock, and what the broker gives back.
namespace bulkhead::engine {

namespace {

using namespace std::chrono_literals;

constexpr auto offers_take = 300ms;   ///< nodes answer within
constexpr auto lost_batch_after = 5s; ///< without a question for anything that is offered

std::string seconds_text(std::chrono::nanoseconds time) {
  return std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(time).count())
         + " ms";
}

} // namespace

// Of the jobs that `which` names. A batch that the broker has after all is denied where it comes
// late.
template <class F>
bool submitter::offer_again(F&& which) {
  const auto back =
    ledger_.take_back_offers([&](ledger_unit& u) { return which(static_cast<job&>(u)); });
  for (const auto& range : back)
    wait_again(range);
  return !back.empty();
}

// Whatever the broker had may be gone.
void submitter::on_connected(time_point now) {
  nodes_.excuse_all(now + comeback);
  next_ping_ = now;
  offer_again([](const job&) { return true; });
}

// Some node takes tasks of this module after all.
void submitter::accept(std::uint64_t module) {
  const auto found = refused_.find(module);
  if (found == refused_.end())
    return;
  const auto held = std::move(found->second.held);
  refused_.erase(found);
  for (const auto& range : held)
    wait_again(range);
}

void submitter::on_returned(std::span<const std::byte> message, time_point now) {
  if (kind_of(message) != message_kind::batch)
    return; // a node whose queue is gone is lost, or back, within its lease
  const auto batch = read<batch_message>(message);
  if (!batch || batch->pieces.empty())
    return;
  const auto module = batch->pieces.front().stub.module;
  auto [found, made] = refused_.try_emplace(module);
  if (made) {
    found->second.since = now;
    found->second.again_at = now + offers_take;
    ports_.announce(pack(message_kind::who, sign_message{name_}));
  }
  found->second.returned = true;
  for (const auto& p : batch->pieces) {
    if (!sound(p)) { // none of ours
      ++stats_.bad_messages;
      continue;
    }
    for_tasks(std::vector<task_range>{{p.first, p.count}}, [&](job& j, std::uint64_t task) {
      if (ledger::task_of(j, task).where != place::offered)
        return;
      ledger_.take_back_offer(j, task);
      append(found->second.held, task);
    });
  }
}

void submitter::on_looked(std::string_view queue, std::uint64_t waiting) {
  // No batch waits, none was asked for, and nodes give back what they cannot begin: it is lost, or
  // its node stands still.
  if (waiting != 0 && waiting != UINT64_MAX)
    return;
  const bool back =
    offer_again([&](const job& j) { return task_queue_of(queue_, j.whole.stub.module) == queue; });
  // Where it goes on like this, what is published is lost: a channel that was opened while a queue
  // of a cluster had no leader can be deaf to the next one (seen with quorum queues of RabbitMQ
  // 3.10). Ever more seldom, for it may be the node that stands still.
  if (back && std::has_single_bit(++vanished_) && vanished_ > 1)
    wants_connection_ = true;
}

void submitter::on_time(time_point now, bool connected) {
  expire(now);
  resume(now);
  look_at_leases(now, connected);
  look_at_refused(now);
  if (connected)
    look_at_offers(now);
  last_time_ = now;
}

time_point submitter::next_look() const noexcept {
  auto next = time_point::max();
  if (!deadlines_.empty())
    next = std::min(next, deadlines_.begin()->first);
  if (!pauses_.empty())
    next = std::min(next, pauses_.begin()->first);
  for (const auto& [module, r] : refused_)
    next = std::min(next, r.again_at);
  if (!nodes_.all().empty())
    next = std::min(next, next_ping_);
  if (ledger_.offered() != 0)
    next = std::min(next, std::max(next_offers_look_, last_progress_ + lost_batch_after));
  return next;
}

// What has not been granted never will be.
void submitter::expire(time_point now) {
  while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
    const auto first = deadlines_.begin()->second;
    deadlines_.erase(deadlines_.begin());
    auto* j = find(first);
    if (j == nullptr)
      continue;
    const task_range all{first, static_cast<std::uint32_t>(j->tasks.size())};
    for_tasks({&all, 1}, [&](job& each, std::uint64_t task) {
      const auto& t = ledger::task_of(each, task);
      if (t.where == place::granted)
        return;
      auto f = runtime::failure_of(failure_kind::timeout,
                                   "the deadline had passed before the task could start");
      f.may_have_executed = t.where == place::paused || t.attempt > 1;
      end(each, task, std::move(f));
    });
  }
}

void submitter::resume(time_point now) {
  while (!pauses_.empty() && pauses_.begin()->first <= now) {
    const auto task = pauses_.begin()->second;
    pauses_.erase(pauses_.begin());
    auto* j = find(task);
    if (j == nullptr || ledger::task_of(*j, task).where != place::paused)
      continue;
    ledger_.wait_again(*j, task);
    wait_again({task, 1});
  }
}

void submitter::look_at_leases(time_point now, bool connected) {
  const auto between = nodes_.lease() / 4;
  // A host that slept blames nobody for its own sleep, nor for a broker that was away.
  if (!connected || now - last_time_ > 2 * between)
    nodes_.excuse_all(now);
  for (const auto& name : nodes_.lost(now)) {
    if (ledger_.held_by(nodes_.find(name)->number) != 0)
      lose(name, now, "was not heard of for " + seconds_text(nodes_.lease()));
    else {
      ledger_.lose(nodes_.find(name)->number);
      nodes_.forget(name);
    }
  }
  if (now < next_ping_)
    return;
  next_ping_ = now + between;
  const auto ping = pack(message_kind::ping, sign_message{name_});
  for (const auto& [name, n] : nodes_.all())
    if (ledger_.held_by(n.number) != 0)
      ports_.publish(name, ping);
}

void submitter::lose(const std::string& name, time_point now, const std::string& why) {
  const auto number = nodes_.find(name)->number;
  const auto held = ledger_.lose(number);
  nodes_.forget(name);
  const auto text = "node " + runtime::printable(name) + " " + why;
  if (!held.empty()) {
    pool_event event;
    event.kind = event_kind::died;
    event.worker = number;
    event.exit.cause = exit_cause::node_lost;
    event.text = text;
    ports_.tell(std::move(event));
  }
  for_tasks(held, [&](job& j, std::uint64_t task) {
    failure f;
    f.kind = failure_kind::worker_died;
    f.exit.cause = exit_cause::node_lost;
    f.may_have_executed = true;
    f.message = text + ", so the task may have run";
    take_failure(name, j, task, std::move(f), now);
  });
}

// Batches that nobody asks about for a while: is there something in the queues at all?
void submitter::look_at_offers(time_point now) {
  if (ledger_.offered() == 0 || now < last_progress_ + lost_batch_after || now < next_offers_look_)
    return;
  next_offers_look_ = now + lost_batch_after;
  std::set<std::uint64_t> modules;
  ledger_.for_each([&](ledger_unit& u) {
    const auto is_offered = [](const ledger_unit::task& t) { return t.where == place::offered; };
    if (std::any_of(u.tasks.begin(), u.tasks.end(), is_offered))
      modules.insert(static_cast<job&>(u).whole.stub.module);
  });
  for (const auto module : modules)
    ports_.look(task_queue_of(queue_, module));
}

std::string submitter::refusal_text(std::uint64_t module, const refused_module& r) const {
  const auto queue = task_queue_of(queue_, module);
  auto text = "no node of the queue '" + queue_ + "' offers the code of this task (build "
              + queue.substr(queue.rfind('.') + 1) + ")";
  if (r.offers.empty())
    return text + "; no node answers at all: start one with bulkhead node --queue " + queue_;
  text += "; start nodes with the same build. Nodes offer:";
  for (const auto& offer : r.offers)
    text += "\n  " + offer;
  return text;
}

void submitter::look_at_refused(time_point now) {
  for (auto at = refused_.begin(); at != refused_.end();) {
    auto& [module, r] = *at;
    if (now < r.again_at) {
      ++at;
      continue;
    }
    if (!r.returned) { // there is a queue now
      const auto open = module;
      ++at;
      accept(open);
      continue;
    }
    auto held = std::move(r.held);
    r.held.clear();
    if (now - r.since < nodes_within_) {
      r.again_at = now + offers_take;
      r.returned = false;
      for (const auto& range : held)
        for_jobs(range, [this](job& j, task_range part) { lanes_.push(j.priority(), part); });
      ++at;
      continue;
    }
    const auto text = refusal_text(module, r);
    at = refused_.erase(at);
    for_tasks(held, [&](job& j, std::uint64_t task) {
      if (ledger::task_of(j, task).where == place::waiting)
        end(j, task, runtime::failure_of(failure_kind::rejected, text));
    });
  }
}

} // namespace bulkhead::engine
