#include "runtime/dispatch/turn_watch.hpp"

#include <algorithm>
#include <utility>

// When an actor's worker is ended, and for whose turn: a plain value, under the lock of its
// actor_process. What it is told of the worker is the worker's word, so each figure may be wrong
// and only that worker pays.
namespace bulkhead::runtime {

namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

/// How late a look may come before the host itself is to blame.
constexpr milliseconds lag_of_host{500};
constexpr milliseconds look_at_busy_memory{20};
constexpr milliseconds look_at_idle_memory{100};
constexpr milliseconds least_wait{1};

std::string as_ms_text(nanoseconds t) {
  return std::to_string(std::chrono::duration_cast<milliseconds>(t).count()) + " ms";
}

std::string as_mib_text(std::size_t bytes) { return std::to_string(bytes >> 20) + " MiB"; }

} // namespace

void turn_watch::limit(std::uint64_t actor, nanoseconds turn) {
  if (turn.count() != 0)
    own_limits_[actor] = turn;
  else
    own_limits_.erase(actor);
}

bool turn_watch::condemn(std::uint64_t actor, time_point at) {
  const auto [i, fresh] = condemned_.emplace(actor, at);
  // Two may ask for one end; the shorter grace counts.
  i->second = std::min(i->second, at);
  return fresh;
}

void turn_watch::ended(std::uint64_t actor) {
  if (ended_by_ != exit_cause::none)
    return; // the verdict stays, and with it whose doing it is
  own_limits_.erase(actor);
  condemned_.erase(actor);
}

turn_watch::verdict turn_watch::look(const turn_facts& facts, time_point now) {
  forgive(facts, now);
  verdict result;
  // The first check that says kill decides; of the others only the next look counts.
  const auto take = [&](verdict v) {
    if (result.kill != exit_cause::none)
      return;
    v.look_again = std::min(v.look_again, result.look_again);
    result = std::move(v);
  };
  take(check_condemned(now));
  take(check_turn(facts, now));
  take(check_start(facts, now));
  take(check_memory(facts, now));
  take(check_beat(facts, now));
  if (limits_.age.count() != 0 && !retired(now))
    result.look_again = std::min(result.look_again, born_ + limits_.age);
  due_ = result.look_again;
  return result;
}

// A turn of now and those who are condemned get the time back that the host lost.
void turn_watch::forgive(const turn_facts& facts, time_point now) {
  if (!facts.runs || facts.turn != turn_) {
    turn_ = facts.runs ? facts.turn : 0;
    forgiven_ = {};
  }
  if (due_ == time_point::max() || now <= due_)
    return;
  const auto lag = now - due_;
  if (lag > limits_.unresponsive_after / 4)
    beat_since_ = now;
  if (lag <= lag_of_host)
    return;
  // No more than the turn has lasted, or a turn that began after the pause would have credit.
  if (facts.runs)
    forgiven_ += std::min<nanoseconds>(lag, now - std::min(facts.since, now));
  for (auto& [actor, at] : condemned_)
    at += lag;
  start_by_ += lag;
}

turn_watch::verdict turn_watch::end(exit_cause why, std::uint64_t culprit, std::string text) {
  // A later verdict is a consequence of the first and must not move the blame.
  if (ended_by_ == exit_cause::none) {
    ended_by_ = why;
    culprit_ = culprit;
  }
  return {why, std::move(text), time_point::max()};
}

turn_watch::verdict turn_watch::check_condemned(time_point now) {
  verdict v;
  for (const auto& [actor, at] : condemned_) {
    if (now >= at)
      return end(exit_cause::killed, 0,
                 "actor " + std::to_string(actor) + " was to end and did not within its grace");
    v.look_again = std::min(v.look_again, at);
  }
  return v;
}

nanoseconds turn_watch::limit_of(std::uint64_t actor) const noexcept {
  const auto own = own_limits_.find(actor);
  return own != own_limits_.end() ? own->second : limits_.turn;
}

// Where nobody runs, a turn may begin just after this look: the next one comes before that turn
// could have exceeded the shortest limit, and then sees when it began.
turn_watch::verdict turn_watch::check_turn(const turn_facts& facts, time_point now) {
  verdict v;
  auto shortest = limits_.turn;
  for (const auto& [actor, own] : own_limits_)
    shortest = shortest.count() == 0 ? own : std::min(shortest, own);
  if (shortest.count() == 0)
    return v;
  v.look_again = now + std::max<nanoseconds>(shortest, least_wait);
  const auto limit = facts.runs && facts.actor != 0 ? limit_of(facts.actor) : nanoseconds{0};
  if (limit.count() == 0)
    return v;
  const auto ran = now - std::min(facts.since, now) - forgiven_;
  if (ran >= limit)
    return end(exit_cause::timed_out, facts.actor,
               "actor " + std::to_string(facts.actor) + " worked at one message for "
                 + as_ms_text(ran) + ", its limit is " + as_ms_text(limit));
  v.look_again = std::min(v.look_again, now + (limit - ran));
  return v;
}

turn_watch::verdict turn_watch::check_start(const turn_facts& facts, time_point now) {
  if (facts.ready || limits_.start.count() == 0)
    return {};
  if (now >= start_by_)
    return end(exit_cause::start_failed, 0,
               "not ready within pool_options::ready_within, " + as_ms_text(limits_.start));
  return {exit_cause::none, {}, start_by_};
}

turn_watch::verdict turn_watch::check_memory(const turn_facts& facts, time_point now) {
  if (limits_.memory_bytes == 0)
    return {};
  // What it was born with is known once it is ready.
  if (facts.ready && facts.resident_bytes > facts.inherited_bytes
      && facts.resident_bytes - facts.inherited_bytes > limits_.memory_bytes)
    return end(exit_cause::memory_limit, 0,
               "it took " + as_mib_text(facts.resident_bytes - facts.inherited_bytes)
                 + ", its limit is " + as_mib_text(limits_.memory_bytes));
  return {exit_cause::none, {}, now + (facts.runs ? look_at_busy_memory : look_at_idle_memory)};
}

turn_watch::verdict turn_watch::check_beat(const turn_facts& facts, time_point now) {
  if (limits_.unresponsive_after.count() == 0)
    return {};
  if (facts.beat != beat_ || beat_since_ == time_point{}) {
    beat_ = facts.beat;
    beat_since_ = now;
  }
  if (now - beat_since_ >= limits_.unresponsive_after)
    return end(exit_cause::unresponsive, 0, "no heartbeat for " + as_ms_text(now - beat_since_));
  return {exit_cause::none,
          {},
          std::min(now + limits_.unresponsive_after / 4, beat_since_ + limits_.unresponsive_after)};
}

std::vector<std::uint64_t> turn_watch::culprits() const {
  std::vector<std::uint64_t> all;
  all.reserve(condemned_.size() + 1);
  if (ended_by_ == exit_cause::killed)
    for (const auto& [actor, at] : condemned_)
      all.push_back(actor);
  else if (culprit_ != 0)
    all.push_back(culprit_);
  return all;
}

} // namespace bulkhead::runtime
