#include "engine/ledger/ledger.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

namespace bulkhead::engine {

void append(std::vector<task_range>& to, std::uint64_t task) {
  if (!to.empty() && to.back().end() == task && to.back().count != UINT32_MAX)
    ++to.back().count;
  else
    to.push_back({task, 1});
}

ledger_unit& ledger::add(std::unique_ptr<ledger_unit> unit) {
  unit->first = next_;
  const auto items = unit->tasks.size();
  auto& u = *units_.emplace_hint(units_.end(), next_, std::move(unit))->second;
  next_ += items;
  counts_[static_cast<std::size_t>(place::waiting)] += items;
  return u;
}

ledger_unit* ledger::find(std::uint64_t task) noexcept {
  auto after = units_.upper_bound(task);
  if (after == units_.begin())
    return nullptr;
  auto& u = *std::prev(after)->second;
  return task - u.first < u.tasks.size() ? &u : nullptr;
}

// The one way in which a task moves: the counts follow, and what its holder has.
void ledger::move(ledger_unit::task& t, place to) noexcept {
  --counts_[static_cast<std::size_t>(t.where)];
  ++counts_[static_cast<std::size_t>(to)];
  if (t.where == place::granted && to != place::granted) {
    if (auto found = nodes_.find(t.node); found != nodes_.end())
      --found->second.held;
    t.node = 0;
    t.number = 0;
  }
  t.where = to;
}

void ledger::offer(ledger_unit& u, std::uint64_t task) noexcept {
  auto& t = task_of(u, task);
  assert(t.where == place::waiting);
  move(t, place::offered);
}

// Where the next unit begins, or the range ends: nothing in between is known.
std::uint64_t ledger::end_of_unknown(std::uint64_t task, std::uint64_t end) const noexcept {
  const auto next = units_.upper_bound(task);
  return next == units_.end() ? end : std::min(end, next->first);
}

ask_answer ledger::ask(node_number node, std::uint64_t number, std::span<const task_range> wanted) {
  ask_answer answer;
  auto& who = nodes_[node];
  if (number <= who.last_number)
    return answer;
  who.last_number = number;
  for (const auto& range : wanted)
    for (auto task = range.first; task != range.end();) {
      auto* u = find(task);
      if (u == nullptr) { // at once, so that a question for a million of them costs nothing
        const auto end = end_of_unknown(task, range.end());
        answer.denied.push_back({task, static_cast<std::uint32_t>(end - task)});
        task = end;
        continue;
      }
      append(grant(*u, task, node, number) ? answer.granted : answer.denied, task);
      ++task;
    }
  return answer;
}

// A waiting task may be granted too: a batch that does not count any more has come all the same.
// Where the holder asks again it has not begun the task, and does not accept the first answer.
bool ledger::grant(ledger_unit& u, std::uint64_t task, node_number to, std::uint64_t number) {
  auto& t = task_of(u, task);
  if (t.where == place::granted && t.node == to) {
    t.number = number;
    return true;
  }
  if (t.where != place::waiting && t.where != place::offered)
    return false;
  move(t, place::granted);
  t.node = to;
  t.number = number;
  ++nodes_[to].held;
  return true;
}

bool ledger::holds(node_number node, std::uint64_t number, const ledger_unit& u,
                   std::uint64_t task) const noexcept {
  const auto& t = u.tasks[static_cast<std::size_t>(task - u.first)];
  return t.where == place::granted && t.node == node && t.number == number;
}

void ledger::give_back(ledger_unit& u, std::uint64_t task) noexcept {
  auto& t = task_of(u, task);
  assert(t.where == place::granted);
  move(t, place::waiting);
}

bool ledger::may_retry(const ledger_unit& u, std::uint64_t task) noexcept {
  return u.tasks[static_cast<std::size_t>(task - u.first)].attempt <= u.retries;
}

void ledger::pause(ledger_unit& u, std::uint64_t task) noexcept {
  auto& t = task_of(u, task);
  assert(t.where == place::granted && may_retry(u, task));
  move(t, place::paused);
  ++t.attempt;
}

void ledger::wait_again(ledger_unit& u, std::uint64_t task) noexcept {
  auto& t = task_of(u, task);
  assert(t.where == place::paused);
  move(t, place::waiting);
}

bool ledger::end(ledger_unit& u, std::uint64_t task) noexcept {
  auto& t = task_of(u, task);
  assert(t.where != place::ended);
  move(t, place::ended);
  if (++u.ended != u.tasks.size())
    return false;
  units_.erase(u.first);
  return true;
}

void ledger::take_back_offer(ledger_unit& u, std::uint64_t task) noexcept {
  auto& t = task_of(u, task);
  assert(t.where == place::offered);
  move(t, place::waiting);
}

void ledger::take_back_offers_of(ledger_unit& u, std::vector<task_range>& back) {
  for (std::size_t i = 0; i < u.tasks.size(); ++i)
    if (auto& t = u.tasks[i]; t.where == place::offered) {
      append(back, u.first + i);
      move(t, place::waiting);
    }
}

std::vector<task_range> ledger::lose(node_number node) {
  std::vector<task_range> held;
  for (auto& [first, u] : units_)
    for (std::size_t i = 0; i < u->tasks.size(); ++i)
      if (auto& t = u->tasks[i]; t.where == place::granted && t.node == node) {
        t.number = 0; // no question has it: nothing that the node says counts
        append(held, first + i);
      }
  nodes_.erase(node);
  return held;
}

std::uint64_t ledger::held_by(node_number node) const noexcept {
  const auto found = nodes_.find(node);
  return found == nodes_.end() ? 0 : found->second.held;
}

} // namespace bulkhead::engine
