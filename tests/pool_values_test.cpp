// ctest-label: tsan
// ctest-timeout: 300
// The pool's rules as values: counts, staffing, policies and time limits over random histories.
#include "runtime/dispatch/ledger.hpp"
#include "runtime/dispatch/policy.hpp"
#include "runtime/dispatch/staffing.hpp"
#include "runtime/dispatch/worker_watch.hpp"

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <vector>

using namespace bulkhead;
using namespace bulkhead::runtime;
using namespace std::chrono_literals;

namespace {

/// Cheaper than the library's generators, which keep a tree to shrink each value: histories here
/// are long. The seed is rapidcheck's, so that a failure can be repeated.
class dice {
public:
  dice() : random_(*rc::gen::arbitrary<std::uint64_t>()) {}
  std::uint64_t below(std::uint64_t n) { return random_() % n; }
  bool one_in(std::uint64_t n) { return below(n) == 0; }
  std::chrono::nanoseconds up_to(std::chrono::nanoseconds most) {
    return std::chrono::nanoseconds{below(static_cast<std::uint64_t>(most.count()) + 1)};
  }

private:
  std::mt19937_64 random_;
};

constexpr int steps_a_history = 10'000;

} // namespace

TEST_CASE("every task is in one place and ends once, whatever happens") {
  CHECK(rc::check([] {
    dice d;
    ledger tasks;
    std::uint64_t waiting = 0;
    std::uint64_t sent = 0;
    std::uint64_t ended = 0;
    std::uint64_t next_id = 1;
    for (int i = 0; i < steps_a_history; ++i) {
      switch (d.below(6)) {
      case 0: {
        const auto count = 1 + d.below(50);
        RC_ASSERT(tasks.submit(count) == next_id);
        next_id += count;
        waiting += count;
        break;
      }
      case 1:
        if (const auto some = d.below(waiting + 1); some > 0) {
          tasks.send(some);
          waiting -= some;
          sent += some;
        }
        break;
      case 2:
        if (const auto some = d.below(sent + 1); some > 0) {
          tasks.come_back(some);
          sent -= some;
          waiting += some;
        }
        break;
      case 3:
        if (sent > 0) {
          tasks.try_again();
          --sent;
          ++waiting;
        }
        break;
      default:
        const auto from = d.one_in(4) ? task_place::waiting : task_place::sent;
        auto& place = from == task_place::waiting ? waiting : sent;
        if (place == 0)
          break;
        const auto count = d.one_in(2) ? 1 : 1 + d.below(place);
        tasks.end(static_cast<task_end>(d.below(3)), from, count);
        place -= count;
        ended += count;
      }
      const auto now = tasks.stats();
      RC_ASSERT(now.submitted
                == now.succeeded + now.failed + now.cancelled + now.queued + now.in_flight);
      RC_ASSERT(now.queued == waiting);
      RC_ASSERT(now.in_flight == sent);
      RC_ASSERT(now.succeeded + now.failed + now.cancelled == ended);
      RC_ASSERT(tasks.at_rest() == (waiting + sent == 0));
    }
  }));
}

TEST_CASE("there are never more workers than asked, and as many when nothing is on its way") {
  CHECK(rc::check([] {
    dice d;
    staffing staff{1 + d.below(8)};
    std::size_t later = 0;
    std::size_t launching = 0;
    std::size_t most = staff.target(); // since there were that many
    const auto want_missing = [&] {
      for (auto missing = staff.missing(); missing > 0; --missing)
        switch (d.below(3)) {
        case 0:
          staff.want_now();
          break;
        case 1:
          staff.want_later();
          ++later;
          break;
        default:
          staff.owe();
        }
    };
    for (int i = 0; i < steps_a_history; ++i) {
      switch (d.below(8)) {
      case 0:
        staff.set_target(d.below(9));
        break;
      case 1:
        launching += staff.begin_missing() ? 1 : 0;
        break;
      case 2:
        if (staff.due() > 0)
          launching += staff.begin_due() ? 1 : 0;
        break;
      case 3:
        if (later > 0) {
          staff.fall_due();
          --later;
        }
        break;
      case 4:
        if (launching > 0) {
          --launching;
          staff.launched();
        }
        break;
      case 5:
        if (launching > 0 && d.one_in(4)) {
          --launching;
          staff.refused();
          want_missing();
        }
        break;
      case 6:
        for (auto owed = staff.pay(); owed > 0; --owed)
          if (staff.missing() > 0)
            staff.want_now();
        break;
      default:
        if (staff.alive() > 0) {
          staff.ended();
          want_missing();
        }
      }
      most = std::max(staff.target(), std::min(most, staff.alive() + staff.launching()));
      RC_ASSERT(staff.alive() + staff.launching() <= most);
      RC_ASSERT(staff.launching() == launching);
    }
    // From here on nothing is refused: what is on its way arrives, what is missing is begun.
    for (; later > 0; --later)
      staff.fall_due();
    staff.pay();
    while (staff.due() > 0)
      launching += staff.begin_due() ? 1 : 0;
    while (staff.begin_missing())
      ++launching;
    for (; launching > 0; --launching)
      staff.launched();
    RC_ASSERT(staff.settled());
    RC_ASSERT(staff.alive() >= staff.target());
  }));
}

TEST_CASE("a key keeps its owner while that serves, and only a dead one's keys move") {
  CHECK(rc::check([] {
    dice d;
    std::vector<std::uint64_t> ids(1 + d.below(12));
    for (std::size_t i = 0; i < ids.size(); ++i)
      ids[i] = i + 1;
    const auto owner = [&](const std::string& key, auto serves) {
      const auto at = owner_of(
        key, ids.size(), [&](std::size_t i) { return ids[i]; }, serves);
      return at == nobody ? 0 : ids[at];
    };
    const auto dead = ids[d.below(ids.size())];
    std::map<std::uint64_t, int> share;
    for (int i = 0; i < 200; ++i) {
      const auto key = std::to_string(d.below(1'000'000));
      const auto before = owner(key, [](std::size_t) { return true; });
      const auto after = owner(key, [&](std::size_t at) { return ids[at] != dead; });
      ++share[before];
      RC_ASSERT(after != dead);
      RC_ASSERT(before == dead || after == before);
    }
    RC_ASSERT(owner("x", [](std::size_t) { return false; }) == 0U);
    if (ids.size() > 1)
      RC_ASSERT(share.size() > 1U);
  }));
}

TEST_CASE(
  "a policy picks whoever fits, the least loaded where it says so, each in turn otherwise") {
  CHECK(rc::check([] {
    dice d;
    const auto count = 1 + d.below(10);
    std::vector<std::size_t> load(count);
    std::vector<bool> fits(count);
    picker least{dispatch_policy::least_loaded, 1};
    picker turns{dispatch_policy::round_robin, 1};
    picker any{dispatch_policy::random, d.below(1000)};
    std::size_t last = nobody;
    for (int i = 0; i < 500; ++i) {
      for (std::size_t k = 0; k < count; ++k) {
        load[k] = d.below(4);
        fits[k] = !d.one_in(3);
      }
      const auto may = [&](std::size_t k) { return static_cast<bool>(fits[k]); };
      const auto weight = [&](std::size_t k) { return load[k]; };
      const bool none = std::none_of(fits.begin(), fits.end(), [](bool f) { return f; });
      const auto a = least.pick(count, may, weight);
      const auto b = turns.pick(count, may, weight);
      const auto c = any.pick(count, may, weight);
      RC_ASSERT((a == nobody) == none);
      RC_ASSERT((b == nobody) == none);
      RC_ASSERT((c == nobody) == none);
      if (none)
        continue;
      RC_ASSERT(may(a));
      RC_ASSERT(may(b));
      RC_ASSERT(may(c));
      for (std::size_t k = 0; k < count; ++k)
        RC_ASSERT(!fits[k] || load[a] <= load[k]);
      if (last != nobody) // nobody who fits was passed over
        for (auto k = (last + 1) % count; k != b; k = (k + 1) % count)
          RC_ASSERT(!fits[k]);
      last = b;
    }
  }));
}

namespace {

/// One worker as its host sees it, and a host that looks when it is told to and at no other time.
/// Checks that no limit comes early, none is missed, and looks are few.
class simulated_worker {
  using time_point = worker_watch::time_point;

public:
  explicit simulated_worker(dice& d) : dice_(d) {
    limits_.grace = 10ms + d.up_to(500ms);
    limits_.unresponsive_after = 50ms + d.up_to(2s);
    limits_.ready_within = d.one_in(2) ? 0ns : 100ms + d.up_to(5s);
    limits_.max_age = d.one_in(2) ? 0ns : 1s + d.up_to(20s);
    watch_ = worker_watch{limits_, now_};
    born_ = now_;
    ready_at_ = now_ + d.up_to(3s);
  }

  /// False: the worker has come to its end.
  bool step() {
    const auto next = std::min({next_event(), watch_.next_look(), now_ + 1h});
    RC_ASSERT(next >= now_);
    now_ = next;
    if (now_ >= next_event())
      happen();
    else
      look();
    return !over_;
  }

private:
  time_point next_event() const {
    if (!facts_.ready)
      return ready_at_;
    return facts_.busy ? ends_at_ : starts_at_;
  }

  void happen() {
    looks_ = 0;
    if (!facts_.ready) {
      facts_.ready = facts_.serves = true;
      watch_.ready();
      starts_at_ = now_ + dice_.up_to(100ms);
      return;
    }
    if (facts_.busy) { // its task ends by itself
      facts_.busy = facts_.has_task = facts_.runs = facts_.cancelled = false;
      watch_.item_ended();
      watch_.task_obeyed();
      cancelled_at_ = asked_at_ = time_point::max();
      starts_at_ = now_ + dice_.up_to(100ms);
      return;
    }
    begin_task();
  }

  void begin_task() {
    ++facts_.front;
    ++facts_.beat; // it did while it was idle
    facts_.busy = facts_.has_task = true;
    facts_.runs = !dice_.one_in(6); // false: it does not begin what it was sent
    facts_.limit = dice_.one_in(2) ? 0ns : 1ms + dice_.up_to(1s);
    facts_.soft_limit = dice_.one_in(3) ? 1ms + dice_.up_to(1s) : 0ns;
    facts_.holds_results = dice_.one_in(2);
    beats_ = !dice_.one_in(5);
    began_ = now_;
    beat_at_ = now_;
    ends_at_ = !facts_.runs || dice_.one_in(8) ? time_point::max() : now_ + dice_.up_to(2s);
    watch_.plan(facts_, now_);
    if (dice_.one_in(4)) {
      facts_.cancelled = true;
      cancelled_at_ = now_;
      watch_.ask_for_task(now_);
    }
  }

  void look() {
    RC_ASSERT(++looks_ < 100'000); // it is not told to look at all times
    if (beats_) {
      ++facts_.beat;
      if (facts_.runs || !facts_.busy)
        beat_at_ = now_;
    }
    watch_.begin_round();
    for (const auto what :
         {&worker_watch::look_at_end, &worker_watch::look_at_age, &worker_watch::look_at_start,
          &worker_watch::look_at_task, &worker_watch::look_at_results, &worker_watch::look_at_queue,
          &worker_watch::look_at_beat})
      if (!over_)
        judge((watch_.*what)(facts_, now_));
    if (!over_)
      RC_ASSERT(watch_.next_look() > now_);
    if (!over_ && facts_.busy && facts_.holds_results)
      RC_ASSERT(watch_.next_look() <= now_ + worker_watch::longest_patience);
    none_is_missed();
  }

  void judge(const watch_decision& d) {
    switch (d.action) {
    case watch_action::retire:
      RC_ASSERT(limits_.max_age.count() != 0);
      RC_ASSERT(now_ - born_ >= limits_.max_age);
      facts_.serves = false;
      break;
    case watch_action::kill:
      over_ = true;
      if (d.cause == exit_cause::start_failed)
        RC_ASSERT(now_ - born_ >= limits_.ready_within);
      else
        RC_ASSERT(now_ - beat_at_ >= limits_.unresponsive_after);
      break;
    case watch_action::ask_to_stop:
      RC_ASSERT(now_ - began_ >= facts_.soft_limit);
      RC_ASSERT(asked_at_ == time_point::max()); // once a task
      asked_at_ = now_;
      break;
    case watch_action::end_for_task:
      over_ = true;
      RC_ASSERT((d.cause == exit_cause::killed && now_ - cancelled_at_ >= limits_.grace)
                || (facts_.limit.count() != 0 && now_ - began_ >= facts_.limit)
                || (asked_at_ != time_point::max() && now_ - asked_at_ >= limits_.grace));
      break;
    default:
      RC_ASSERT(d.action == watch_action::none || d.action == watch_action::pardon);
    }
  }

  // Where a look is due at the very time of a limit, that limit is found there.
  void none_is_missed() {
    if (over_ || !facts_.busy)
      return;
    const bool limited = facts_.runs && facts_.limit.count() != 0;
    RC_ASSERT(!limited || now_ - began_ < facts_.limit);
    RC_ASSERT(asked_at_ == time_point::max() || now_ - asked_at_ < limits_.grace);
    RC_ASSERT(!facts_.cancelled || now_ - cancelled_at_ < limits_.grace);
    RC_ASSERT(now_ - beat_at_ < limits_.unresponsive_after * 5 / 4);
    if (limited)
      RC_ASSERT(watch_.next_look() <= began_ + facts_.limit);
    if (facts_.cancelled)
      RC_ASSERT(watch_.next_look() <= cancelled_at_ + limits_.grace);
  }

  dice& dice_;
  watch_limits limits_;
  worker_watch watch_;
  worker_facts facts_;
  time_point now_ = time_point{} + 1h;
  time_point born_, ready_at_, began_, beat_at_;
  time_point starts_at_ = time_point::max();
  time_point ends_at_ = time_point::max();
  time_point cancelled_at_ = time_point::max();
  time_point asked_at_ = time_point::max();
  bool beats_ = true;
  bool over_ = false;
  int looks_ = 0;
};

} // namespace

TEST_CASE("whoever looks when it is told to misses no limit, and none comes early") {
  CHECK(rc::check([] {
    dice d;
    for (int i = 0; i < 30; ++i) {
      simulated_worker worker{d};
      for (int steps = 0; steps < 300 && worker.step(); ++steps) {
      }
    }
  }));
}

TEST_CASE("a worker that cannot be killed is given up, once, when its time is over") {
  const watch_limits limits{.grace = 2s, .unresponsive_after = 1s};
  const auto born = worker_watch::time_point{} + 1h;
  worker_watch watch{limits, born};
  watch.killed(born + 5s);
  watch.killed(born + 6s); // the first one counts
  CHECK(watch.next_look() == born + 8s);
  CHECK(watch.look_at_end({}, born + 7999ms).action == watch_action::none);
  CHECK(watch.look_at_end({}, born + 8s).action == watch_action::give_up);
}

TEST_CASE("what lies behind a task of unknown length is taken back where somebody is idle") {
  const auto born = worker_watch::time_point{} + 1h;
  worker_watch watch{{.grace = 2s, .unresponsive_after = 1s}, born};
  worker_facts f;
  f.ready = f.busy = f.has_task = f.runs = true;
  f.front = 7;
  f.behind = 1;
  CHECK(watch.look_at_queue(f, born).action == watch_action::none); // nobody is idle
  f.others_idle = true;
  CHECK(watch.look_at_queue(f, born).action == watch_action::none);
  CHECK(watch.next_look() <= born + 1ms);
  CHECK(watch.look_at_queue(f, born + 1ms).action == watch_action::take_back_behind);
  f.front = 8; // it has moved on
  CHECK(watch.look_at_queue(f, born + 2ms).action == watch_action::none);
  f.ready = false; // it still starts: nothing keeps the others from its tasks
  CHECK(watch.look_at_queue(f, born + 2ms).action == watch_action::take_back_all);
}

TEST_CASE("memory beyond the limit ends the task that runs, or retires an idle worker") {
  const auto born = worker_watch::time_point{} + 1h;
  worker_watch watch{{.grace = 2s, .unresponsive_after = 1s, .max_memory = 100}, born};
  worker_facts f;
  f.serves = f.busy = f.has_task = true; // sent before it is ready
  CHECK(watch.look_at_memory(f, 1000, born).action == watch_action::none);
  CHECK(watch.next_look() <= born + 20ms);
  f.busy = f.has_task = false;
  f.ready = true;
  CHECK(watch.look_at_memory(f, 100, born).action == watch_action::none);
  CHECK(watch.look_at_memory(f, 101, born).action == watch_action::retire);
  f.busy = f.has_task = true;
  CHECK(watch.look_at_memory(f, 101, born).action == watch_action::retire); // not begun
  f.runs = true;
  const auto ended = watch.look_at_memory(f, 101, born);
  CHECK(ended.action == watch_action::end_for_task);
  CHECK(ended.cause == exit_cause::memory_limit);
}
