#include "actors/host/actor_process.hpp"

#include "runtime/system/proc_stat.hpp"

#include <bulkhead/deadline.hpp>

#include <algorithm>
#include <cstring>
#include <iterator>

// What the host tells of a worker's actors. All of it is read from words that the worker writes at
// any time, in whatever thread asks. Nothing but the balance is decided by it, and times are cut to
// what is possible.
namespace bulkhead::actors {

namespace {

/// Beyond the next time that somebody looks.
constexpr std::chrono::seconds turns_noted_for{5};

// relaxed throughout: numbers for people.
std::uint64_t number(const std::atomic<std::uint64_t>& word) noexcept {
  return word.load(std::memory_order_relaxed);
}

// A worker has had no more time than it has lived, whatever its words say.
std::chrono::nanoseconds spent(const std::atomic<std::uint64_t>& word,
                               std::chrono::nanoseconds age) noexcept {
  const auto most = static_cast<std::uint64_t>(age.count());
  return std::chrono::nanoseconds{static_cast<std::int64_t>(std::min(number(word), most))};
}

std::string text_of(const actor_row& row) {
  std::uint64_t parts[actor_row::name_bytes / 8];
  for (std::size_t i = 0; i < std::size(parts); ++i)
    parts[i] = number(row.name[i]);
  char text[actor_row::name_bytes];
  std::memcpy(text, parts, sizeof text);
  // The worker may have left out the end of the text.
  return {text, ::strnlen(text, sizeof text)};
}

} // namespace

// acquire: the count is at least as new as the end of the last start, so a start is in one of the
// two. A hint: what the worker says wrongly harms only the balance.
std::size_t actor_process::actors() const noexcept {
  const auto& words = io_->peer_words();
  const auto asked_for = spawned_.load(std::memory_order_relaxed);
  const auto done = std::min(words.started.load(std::memory_order_acquire), asked_for);
  return words.actors.load(std::memory_order_relaxed) + (asked_for - done);
}

std::uint64_t actor_process::expired() const noexcept { return number(io_->peer_words().expired); }

worker_info actor_process::info() const {
  worker_info w;
  w.kind = worker_kind::actors;
  w.id = number_;
  w.pid = pid();
  w.started_at = started_at_;
  w.rss_bytes = runtime::resident_bytes(w.pid);
  {
    const std::lock_guard lock{mutex_};
    w.state = !ready_                                     ? worker_state::starting
              : asked() || watched_.retired(clock::now()) ? worker_state::draining
                                                          : worker_state::idle;
    if (link_->dead())
      w.state = worker_state::dead;
  }
  const auto now = facts();
  if (now.runs) {
    w.busy = clock::now() - now.since;
    if (w.state == worker_state::idle)
      w.state = worker_state::busy;
  }
  const auto age = clock::now() - born_;
  for (const auto& row : io_->peer_rows()) {
    w.tasks_done += number(row.turns);
    w.busy = std::min<std::chrono::nanoseconds>(w.busy + spent(row.busy, age), age);
  }
  return w;
}

// A row that changes its actor meanwhile is left out. acquire: the name belongs to the actor, and
// the second look comes after the words.
void actor_process::list_actors(std::vector<actor_info>& all) const {
  const auto now = facts();
  for (const auto& row : io_->peer_rows()) {
    actor_info a;
    a.id = row.actor.load(std::memory_order_acquire);
    if (a.id == 0)
      continue;
    a.type = text_of(row);
    a.messages = number(row.turns);
    a.busy = spent(row.busy, clock::now() - born_);
    a.mailbox = number(row.mailbox);
    std::atomic_thread_fence(std::memory_order_acquire);
    if (number(row.actor) != a.id)
      continue;
    a.worker = number_;
    a.pid = pid();
    if (now.runs && now.actor == a.id) {
      a.in_hand = clock::now() - now.since;
      a.busy += a.in_hand;
    }
    const std::lock_guard lock{mutex_};
    if (const auto known = labels_.find(a.id); known != labels_.end()) {
      a.name = known->second.name;
      a.supervisor = known->second.whom.supervisor;
      a.restarts = known->second.whom.restarts;
    }
    all.push_back(std::move(a));
  }
}

// A note that changes meanwhile is left out. acquire: its words belong to its number, and the
// second look comes after them; those before `noted` were written.
void actor_process::take_turns(std::vector<detail::actor_turn>& all) {
  const std::lock_guard lock{turns_mutex_};
  const auto now = clock::now();
  // relaxed: a hint for the worker.
  io_->own_words().watched_until.store(
    static_cast<std::uint64_t>((now + turns_noted_for).time_since_epoch().count()),
    std::memory_order_relaxed);
  const auto notes = io_->peer_turns();
  const auto noted = io_->peer_words().noted.load(std::memory_order_acquire);
  auto next = std::max(turns_taken_, noted > notes.size() ? noted - notes.size() : 0);
  for (; next < noted; ++next) {
    const auto& note = notes[next % notes.size()];
    if (note.number.load(std::memory_order_acquire) != next + 1)
      continue;
    detail::actor_turn t;
    t.worker = number_;
    t.actor = number(note.actor);
    const std::chrono::nanoseconds since{static_cast<std::int64_t>(number(note.since))};
    t.began = std::clamp(clock::time_point{since}, born_, now);
    t.took = std::min<std::chrono::nanoseconds>(spent(note.took, now - born_), now - t.began);
    std::atomic_thread_fence(std::memory_order_acquire);
    if (number(note.number) == next + 1)
      all.push_back(t);
  }
  turns_taken_ = std::max(turns_taken_, noted);
}

} // namespace bulkhead::actors

namespace bulkhead {

std::uint64_t expired_requests(const caf::actor_system& system) {
  auto sum = actors::expired_here();
  if (const auto hub = actors::actor_hub::find(system)) {
    std::uint64_t in_ended = 0;
    for (const auto& process : hub->processes(in_ended))
      sum += process->expired();
    sum += in_ended;
  }
  return sum;
}

} // namespace bulkhead
