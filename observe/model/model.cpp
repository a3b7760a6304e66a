#include "observe/model/model.hpp"

#include <algorithm>
#include <utility>

namespace bulkhead::observe::detail {

namespace {

template <class T>
void keep(std::deque<T>& all, T&& one, std::size_t most) {
  all.push_back(std::move(one));
  if (all.size() > most)
    all.pop_front();
}

template <class T>
std::vector<T> behind(const std::deque<T>& all, std::uint64_t number) {
  const auto first =
    std::find_if(all.begin(), all.end(), [&](const T& one) { return one.number > number; });
  return {first, all.end()};
}

} // namespace

model::model(steady::time_point began, std::chrono::system_clock::time_point began_at,
             name_finder names)
  : began_(began), began_at_(began_at), names_(std::move(names)) {
  last_.at = began;
}

std::chrono::nanoseconds model::since_begin(steady::time_point at) const noexcept {
  return std::max(at, began_) - began_;
}

std::chrono::system_clock::time_point model::wall(steady::time_point at) const noexcept {
  return began_at_ + std::chrono::duration_cast<std::chrono::system_clock::duration>(at - began_);
}

std::size_t model::kind_of(const called& what) {
  if (const auto known = indices_.find(what); known != indices_.end())
    return known->second;
  auto name = kinds_.size() < most_names ? names_(what) : std::string{"other tasks"};
  const auto same =
    std::find_if(kinds_.begin(), kinds_.end(), [&](const task_sight& t) { return t.name == name; });
  const auto at = static_cast<std::size_t>(same - kinds_.begin());
  if (same == kinds_.end())
    kinds_.push_back({std::move(name), 0, 0, 0, {}, {}, {}});
  if (indices_.size() < 16 * most_names)
    indices_.emplace(what, at);
  return at;
}

std::vector<slice> model::take(const batch& what) {
  for (const auto& event : what.events) // before it a worker ran nothing
    if (event.among == worker_kind::tasks && event.event.kind == event_kind::ready)
      place_of(event.event.worker).ended = event.at;
  std::vector<slice> all;
  all.reserve(what.ended.size());
  for (const auto& end : what.ended)
    all.push_back(count(end));
  const auto surplus = all.size() > kept_slices ? all.size() - kept_slices : 0;
  for (auto i = surplus; i < all.size(); ++i)
    keep(slices_, slice{all[i]}, kept_slices);
  for (const auto& failed : what.failures)
    note(failed);
  for (const auto& event : what.events)
    note(event);
  unseen_ += what.unseen;
  return all;
}

// The slice was measured by another clock reader: a span does not reach beyond it, so that a viewer
// can draw the one within the other.
span_sight model::seen(const noted_span& s, const slice* around) const {
  span_sight made{s.task, s.worker, s.name, since_begin(s.began), since_begin(s.began + s.took)};
  if (around != nullptr) {
    made.began = std::clamp(made.began, around->began, around->ended);
    made.ended = std::clamp(made.ended, around->began, around->ended);
  }
  return made;
}

std::vector<span_sight> model::take_spans(std::vector<noted_span> came) {
  std::vector<span_sight> all;
  if (came.empty() && early_spans_.empty())
    return all;
  std::map<std::uint64_t, const slice*> by_task;
  for (const auto& s : slices_)
    by_task[s.task] = &s;
  const auto around = [&](const noted_span& s) -> const slice* {
    auto behind = by_task.upper_bound(s.task);
    if (behind == by_task.begin())
      return nullptr;
    const auto& found = *(--behind)->second;
    return s.task < found.task + found.items && s.worker == found.worker ? &found : nullptr;
  };
  for (const auto& s : early_spans_)
    all.push_back(seen(s, around(s)));
  early_spans_.clear();
  for (auto& s : came) {
    if (const auto* slice = around(s))
      all.push_back(seen(s, slice));
    else
      early_spans_.push_back(std::move(s));
  }
  return all;
}

// Workers have rising numbers: the first ones have ended long ago where there are so many.
model::place& model::place_of(std::size_t worker) {
  if (places_.size() > most_places && places_.find(worker) == places_.end())
    places_.erase(places_.begin());
  return places_[worker];
}

slice model::count(const noted_end& end) {
  slice s;
  s.number = ++slice_number_;
  s.task = end.task;
  s.items = end.items;
  s.attempt = end.attempt;
  s.worker = end.worker;
  s.pid = end.pid;
  auto& kind = kinds_[kind_of(end.what)];
  s.name = kind.name;
  s.result = end.result;
  (s.result == task_result::succeeded ? kind.succeeded
   : s.result == task_result::failed  ? kind.failed
                                      : kind.cancelled) += end.items;
  // One reading of the clock stands for all answers that were read in one turn, and a task may have
  // come and gone within it.
  const auto ended = std::max(end.ended, end.queued);
  s.ended = s.began = since_begin(ended);
  if (end.worker == 0) // it never began
    return s;
  auto& there = place_of(end.worker);
  const bool measured = end.ran.count() != 0;
  const bool died = !measured && end.result != task_result::succeeded;
  const auto earliest = std::max({began_, there.ended, end.queued});
  const auto ran = measured ? end.ran : died ? ended - earliest : there.ran;
  if (measured)
    there.ran = end.ran;
  const auto began = std::max(earliest, ended - ran * end.items);
  there.ended = std::max(there.ended, ended);
  s.began = std::min(since_begin(began), s.ended);
  kind.run.add(ran, end.items);
  if (end.queued != steady::time_point{}) {
    s.waited = std::max(began - end.queued, std::chrono::nanoseconds{0});
    kind.wait.add(s.waited, end.items);
  }
  if (end.sent != steady::time_point{})
    kind.dispatch.add(std::max(began - end.sent, std::chrono::nanoseconds{0}), end.items);
  return s;
}

void model::note(const noted_failure& failed) {
  failure_sight f;
  f.number = ++failure_number_;
  f.task = failed.end.task;
  f.attempt = failed.end.attempt;
  f.worker = failed.end.worker;
  f.name = kinds_[kind_of(failed.end.what)].name;
  f.at = wall(failed.end.ended);
  f.what = failed.what;
  keep(failures_, std::move(f), kept_failures);
}

void model::note(const noted_event& event) {
  if (event.event.kind == event_kind::died)
    ++deaths_[std::string(to_string(event.event.exit.cause))];
  keep(
    events_,
    event_sight{++event_number_, event.among, wall(event.at), since_begin(event.at), event.event},
    kept_events);
}

std::vector<take_sight> model::see_takes(const std::vector<noted_take>& came) const {
  std::vector<take_sight> all;
  all.reserve(came.size());
  for (const auto& t : came)
    all.push_back({t.task, since_begin(t.at)});
  return all;
}

std::vector<message_sight> model::take_turns(
  const std::vector<bulkhead::detail::actor_turn>& came) {
  std::vector<message_sight> all;
  all.reserve(came.size());
  for (const auto& t : came) {
    const auto who =
      std::find_if(last_.actors.begin(), last_.actors.end(),
                   [&](const actor_info& a) { return a.id == t.actor && a.worker == t.worker; });
    message_sight m{++message_number_,
                    t.actor,
                    t.worker,
                    "actor " + std::to_string(t.actor),
                    since_begin(t.began),
                    since_begin(t.began + t.took)};
    if (who != last_.actors.end())
      m.name = who->name.empty() ? who->type : who->name;
    all.push_back(m);
    keep(messages_, std::move(m), kept_messages);
  }
  return all;
}

void model::take(sample now) {
  point p;
  p.at = since_begin(now.at);
  p.done = now.stats.succeeded + now.stats.failed + now.stats.cancelled;
  p.failed = now.stats.failed;
  p.queued = now.stats.queued;
  const auto took = std::chrono::duration<double>(now.at - last_.at).count();
  for (auto& w : now.workers) {
    p.rss_bytes += w.worker.rss_bytes;
    if (w.worker.kind == worker_kind::tasks) {
      ++p.workers;
      p.busy += w.worker.state == worker_state::busy ? 1 : 0;
    }
    const auto before =
      std::find_if(last_.workers.begin(), last_.workers.end(), [&](const worker_sight& o) {
        return o.worker.pid == w.worker.pid && w.worker.pid != 0;
      });
    if (before != last_.workers.end() && took > 0)
      w.cpu = std::max(0.0, w.cpu_seconds - before->cpu_seconds) / took;
  }
  past_.add(p);
  last_ = std::move(now);
}

// The workers are shown as they were seen last, dead.
void model::end(const pool_stats& last, steady::time_point at) {
  auto workers = std::move(last_.workers);
  auto counts = last;
  counts.bad_messages = std::max(counts.bad_messages, last_.stats.bad_messages);
  counts.dead_letters = std::max(counts.dead_letters, last_.stats.dead_letters);
  take(sample{at, counts, {}, {}});
  for (auto& w : workers) {
    w.worker.state = worker_state::dead;
    w.worker.task = 0;
    w.running.clear();
  }
  last_.workers = std::move(workers);
  ended_ = true;
}

snapshot model::look(const watch::cursor& since) const {
  snapshot s;
  s.taken = wall(last_.at);
  s.began = began_at_;
  s.ended = ended_;
  s.stats = last_.stats;
  s.tasks_a_second = ended_ ? 0 : past_.tasks_a_second();
  s.workers = last_.workers;
  s.actors = last_.actors;
  s.tasks = kinds_;
  s.deaths = deaths_;
  s.slices = behind(slices_, since.slice);
  s.failures = behind(failures_, since.failure);
  s.events = behind(events_, since.event);
  s.history = past_.points();
  s.unseen = unseen_;
  s.messages = behind(messages_, since.message);
  return s;
}

} // namespace bulkhead::observe::detail
