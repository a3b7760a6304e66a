#include "tools/console/worker_totals.hpp"

#include <algorithm>

namespace bulkhead::command {

worker_totals::seat& worker_totals::seat_of(std::size_t worker, pid_t pid) {
  const auto known = seats_.find(worker);
  if (known != seats_.end())
    return known->second;
  const auto row = place_for_newcomer();
  rows_[row].worker = worker;
  rows_[row].pid = pid;
  rows_[row].progress = 0;
  rows_[row].state = to_string(worker_state::starting);
  return seats_[worker] = seat{row, 0, {}};
}

std::size_t worker_totals::place_for_newcomer() {
  if (!vacant_.empty()) {
    const auto row = vacant_.front(); // whoever ended first is replaced first
    vacant_.erase(vacant_.begin());
    return row;
  }
  if (rows_.size() >= places_)
    // The pool starts a replacement before the old worker has drained: the oldest one here is it.
    for (const auto& [worker, s] : seats_)
      if (rows_[s.row].worker == worker)
        return s.row;
  rows_.emplace_back();
  return rows_.size() - 1;
}

bool worker_totals::is_taken(std::size_t row) const {
  return std::any_of(seats_.begin(), seats_.end(),
                     [row](const auto& s) { return s.second.row == row; });
}

void worker_totals::count(seat& s, std::uint64_t tasks, std::chrono::nanoseconds busy) {
  auto& row = rows_[s.row];
  row.tasks += tasks - std::min(tasks, s.tasks);
  row.busy += std::max(busy - s.busy, std::chrono::nanoseconds{});
  s.tasks = std::max(tasks, s.tasks);
  s.busy = std::max(busy, s.busy);
}

void worker_totals::leave(const pool_event& event) {
  auto& s = seat_of(event.worker, event.pid);
  count(s, event.tasks_done, event.busy);
  auto& row = rows_[s.row];
  const bool died = event.kind == event_kind::died;
  row.restarts += died ? 1 : 0;
  row.recycled += !died && event.exit.cause == exit_cause::recycled ? 1 : 0;
  if (event.exit.signal == 0) // it had the time to finish its task
    row.progress = 0;
  const auto place = s.row;
  seats_.erase(event.worker);
  if (is_taken(place)) // by its replacement
    return;
  if (event.exit.cause != exit_cause::shutdown) // the end of the job says nothing of the worker
    row.state = died ? to_string(event.exit) : std::string(to_string(event.exit.cause));
  vacant_.push_back(place);
}

void worker_totals::on_event(const pool_event& event) {
  switch (event.kind) {
  case event_kind::started:
    seat_of(event.worker, event.pid);
    break;
  case event_kind::ready:
    rows_[seat_of(event.worker, event.pid).row].state = to_string(worker_state::idle);
    break;
  case event_kind::died:
  case event_kind::recycled:
    leave(event);
    break;
  default:
    break;
  }
}

void worker_totals::on_snapshot(const std::vector<worker_info>& workers) {
  for (const auto& info : workers) {
    // One without a seat has not been announced yet, or is gone already: its event tells.
    const auto known = seats_.find(info.id);
    if (known == seats_.end())
      continue;
    count(known->second, info.tasks_done, info.busy);
    auto& row = rows_[known->second.row];
    if (row.worker != info.id)
      continue;
    row.state = to_string(info.state);
    row.progress = info.progress;
  }
}

std::vector<double> worker_totals::running() const {
  std::vector<double> shares;
  shares.reserve(seats_.size());
  for (const auto& [worker, s] : seats_)
    if (rows_[s.row].worker == worker && rows_[s.row].progress > 0)
      shares.push_back(rows_[s.row].progress);
  return shares;
}

} // namespace bulkhead::command
