#include "runtime/dispatch/backlog.hpp"
#include "runtime/dispatch/chunking.hpp"
#include "runtime/dispatch/restart_intensity.hpp"
#include "runtime/dispatch/window.hpp"

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <vector>

using namespace bulkhead::runtime;
using namespace std::chrono_literals;

namespace {

std::unique_ptr<unit> make_unit(std::uint64_t id, int priority = 0, std::size_t bytes = 8) {
  auto u = std::make_unique<unit>();
  u->id = id;
  u->items = 1;
  u->body.grow(bytes);
  if (priority != 0)
    u->options =
      std::make_shared<const bulkhead::task_options>(bulkhead::task_options{.priority = priority});
  return u;
}

std::unique_ptr<unit> make_chunk(std::uint32_t items) {
  auto u = std::make_unique<unit>();
  u->id = 100;
  u->items = items;
  u->callable_bytes = 3;
  u->body.append("abc", 3);
  for (std::uint32_t i = 0; i < items; ++i) {
    const std::uint32_t length = i % 5;
    u->body.append(&length, sizeof length);
    for (std::uint32_t b = 0; b < length; ++b)
      u->body.append(&i, 1);
  }
  return u;
}

} // namespace

TEST_CASE("the backlog orders by priority, then first in first out") {
  backlog queue{10, 1000};
  queue.push_back(make_unit(1));
  queue.push_back(make_unit(2, 5));
  queue.push_back(make_unit(3));
  queue.push_back(make_unit(4, -1));
  std::vector<std::uint64_t> order;
  while (!queue.empty())
    order.push_back(queue.remove(*queue.front())->id);
  CHECK(order == std::vector<std::uint64_t>{2, 1, 3, 4});
}

TEST_CASE("a priority that nobody waits with has no list") {
  backlog queue{10, 1000};
  for (int priority = 1; priority <= 1000; ++priority) {
    queue.push_back(make_unit(1, -priority));
    CHECK(queue.priorities() == 2); // its own and 0
    queue.remove(*queue.front());
    CHECK(queue.priorities() == 1);
  }
}

TEST_CASE("what comes back goes before its equals") {
  backlog queue{10, 1000};
  queue.push_back(make_unit(1));
  queue.push_front(make_unit(2));
  CHECK(queue.front()->id == 2);
}

namespace {

/// A backlog and the plain list that it should behave like.
class twin_backlog {
public:
  void step() {
    switch (*rc::gen::inRange(0, 6)) {
    case 0:
    case 1:
    case 2:
      return push();
    case 3:
      return take();
    case 4:
      return sort();
    default:
      return remove_any();
    }
  }

  void check() const {
    RC_ASSERT(queue_.units() == all_.size());
    const auto in_lanes =
      std::count_if(all_.begin(), all_.end(), [](const auto& e) { return e.lane != 0; });
    RC_ASSERT(queue_.in_lanes() == static_cast<std::size_t>(in_lanes));
    RC_ASSERT((queue_.front() == nullptr) == all_.empty());
    RC_ASSERT(queue_.all([](const unit&) { return true; }).size() == all_.size());
  }

private:
  struct entry {
    std::uint64_t id;
    int priority;
    std::int64_t order;
    backlog::lane_id lane;
  };

  void push() {
    const auto front = *rc::gen::inRange(0, 4) == 0;
    const entry e{++ids_, *rc::gen::inRange(-1, 2), front ? --low_ : ++high_,
                  *rc::gen::inRange<std::size_t>(0, 5)};
    auto u = make_unit(e.id, e.priority);
    if (front)
      queue_.push_front(std::move(u), e.lane);
    else
      queue_.push_back(std::move(u), e.lane);
    all_.push_back(e);
    std::sort(all_.begin(), all_.end(), [](const entry& a, const entry& b) {
      return a.priority != b.priority ? a.priority > b.priority : a.order < b.order;
    });
  }

  /// The first entry whose lane may go, where nobody of its lane is before it.
  void take() {
    const auto open = *rc::gen::inRange(0, 32); // one bit a lane
    const auto goes = [open](backlog::lane_id lane) { return ((open >> lane) & 1) != 0; };
    const auto wanted =
      std::find_if(all_.begin(), all_.end(), [&](const entry& e) { return goes(e.lane); });
    auto* found = queue_.first([&](const unit& u) { return goes(u.lane); });
    RC_ASSERT((found == nullptr) == (wanted == all_.end()));
    if (found == nullptr)
      return;
    RC_ASSERT(queue_.remove(*found)->id == wanted->id);
    all_.erase(wanted);
  }

  void sort() {
    const auto shift = *rc::gen::inRange<std::size_t>(1, 4);
    for (auto& e : all_)
      if (e.lane != 0)
        e.lane = 1 + (e.id + shift) % 4;
    queue_.sort_lanes([shift](const unit& u) { return 1 + (u.id + shift) % 4; });
  }

  void remove_any() {
    if (all_.empty())
      return;
    const auto at = *rc::gen::inRange<std::size_t>(0, all_.size());
    const auto id = all_[at].id;
    queue_.remove(*queue_.find([id](const unit& u) { return u.id == id; }));
    all_.erase(all_.begin() + static_cast<std::ptrdiff_t>(at));
  }

  backlog queue_{100, 100'000};
  std::vector<entry> all_;
  std::uint64_t ids_ = 0;
  std::int64_t low_ = 0;
  std::int64_t high_ = 0;
};

} // namespace

TEST_CASE("lanes keep the order of arrival and of priorities, whatever comes, goes and moves") {
  CHECK(rc::check([] {
    twin_backlog twins;
    for (int i = 0; i < 200; ++i) {
      twins.step();
      twins.check();
    }
  }));
}

TEST_CASE("what waits for a busy worker costs the others nothing") {
  const auto looks_beside = [](int waiting) {
    backlog queue{100'000, 10'000'000};
    for (int i = 0; i < waiting; ++i)
      queue.push_back(make_unit(1), 7);
    queue.push_back(make_unit(2), 8);
    int looks = 0;
    const auto* found = queue.first([&](const unit& u) {
      ++looks;
      return u.lane == 8;
    });
    CHECK(found->id == 2);
    return looks;
  };
  CHECK(looks_beside(20'000) == looks_beside(20));
}

TEST_CASE("the backlog counts tasks and bytes, and an empty one takes anything") {
  backlog queue{2, 100};
  CHECK(queue.has_room(50, 5000));
  queue.push_back(make_unit(1, 0, 60));
  CHECK(queue.has_room(1, 40));
  CHECK(!queue.has_room(1, 41));
  CHECK(!queue.has_room(2, 1));
  queue.push_front(make_unit(2, 0, 90)); // beyond the capacity: it was inside before
  CHECK(!queue.has_room(1, 0));
  CHECK(queue.items() == 2);
  CHECK(queue.bytes() == 150);
}

TEST_CASE("a chunk splits into two that hold its items in order") {
  CHECK(rc::check([] {
    const auto items = *rc::gen::inRange<std::uint32_t>(2, 40);
    const auto first = *rc::gen::inRange<std::uint32_t>(1, items);
    auto whole = make_chunk(items);
    const auto reference = make_chunk(items);
    const auto rest = split(*whole, first);
    RC_ASSERT(whole->items == first);
    RC_ASSERT(rest->items == items - first);
    RC_ASSERT(rest->id == 100U + first);
    RC_ASSERT(rest->first_item == first);
    const auto head = slice(*reference, 0, first)->body.size();
    const auto tail = reference->body.bytes().subspan(head);
    const auto copy = rest->body.bytes().subspan(rest->callable_bytes);
    RC_ASSERT(std::equal(tail.begin(), tail.end(), copy.begin(), copy.end()));
  }));
}

TEST_CASE("the window shrinks for long tasks and grows for short ones, inside its bounds") {
  window w;
  CHECK(w.size() == window::smallest);
  for (int i = 0; i < 100; ++i)
    w.learn(100ns);
  CHECK(w.size() == window::largest);
  for (int i = 0; i < 200; ++i)
    w.learn(10ms);
  CHECK(w.size() == window::smallest);
  w.learn(std::chrono::nanoseconds::max()); // a worker's lie moves it, but not out of range
  w.learn(-5ns);
  CHECK(w.size() >= window::smallest);
  CHECK(w.size() <= window::largest);
}

TEST_CASE("chunks hold about two milliseconds, and less towards the end") {
  CHECK(next_chunk({.workers = 2, .mean_item = 1us}) == 2000);
  CHECK(next_chunk({.workers = 2, .mean_item = 10ms}) == 1);
  CHECK(next_chunk({.workers = 2, .remaining = 16, .mean_item = 1us}) == 3);
  CHECK(next_chunk({.workers = 2, .remaining = 1, .mean_item = 1us}) == 1);
  CHECK(next_chunk({.workers = 2}) == 1);
  CHECK(next_chunk({.workers = 0, .units_made = 1000, .mean_item = 1ns}) == 65'536);
}

TEST_CASE("guided chunks use up any input") {
  CHECK(rc::check([] {
    auto left = *rc::gen::inRange<std::size_t>(1, 1'000'000);
    chunk_facts facts;
    facts.workers = *rc::gen::inRange<std::size_t>(1, 64);
    facts.mean_item = std::chrono::nanoseconds{*rc::gen::inRange(0, 100'000)};
    for (; left > 0; ++facts.units_made) {
      facts.remaining = left;
      const auto n = next_chunk(facts);
      RC_ASSERT(n >= 1U);
      RC_ASSERT(n <= left);
      left -= n;
    }
  }));
}

TEST_CASE("more restarts than allowed in the period give up; older ones are forgotten") {
  restart_intensity r{
    {.max_restarts = 3, .within = 10s, .backoff_initial = 0ns, .backoff_max = 0ns}, 1};
  const restart_intensity::time_point t{};
  for (int i = 0; i < 3; ++i)
    CHECK(!r.on_death(t + i * 1s, true, 0.5).give_up);
  CHECK(!r.on_death(t + 10500ms, true, 0.5).give_up); // the first is out of the period
  CHECK(r.on_death(t + 10600ms, true, 0.5).give_up);
}

TEST_CASE("the first death is replaced at once, then the back-off doubles up to its bound") {
  restart_intensity r{
    {.max_restarts = 100, .within = 60s, .backoff_initial = 50ms, .backoff_max = 300ms}, 1};
  const restart_intensity::time_point t{};
  std::vector<std::chrono::nanoseconds> waits;
  for (int i = 0; i < 6; ++i)
    waits.push_back(r.on_death(t, true, 0.5).wait);
  CHECK(waits == std::vector<std::chrono::nanoseconds>{0ns, 50ms, 100ms, 200ms, 300ms, 300ms});
}

TEST_CASE("workers that never get ready break the pool before the intensity would") {
  restart_intensity r{{.within = 1ms}, 2};
  restart_intensity::time_point t{};
  int deaths = 0;
  while (!r.on_death(t += 10s, false, 0.5).give_up)
    ++deaths;
  CHECK(deaths == 6);
  r.on_ready();
  CHECK(!r.on_death(t += 10s, false, 0.5).give_up);
}
