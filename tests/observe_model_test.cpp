// ctest-link: bulkhead_observe
// ctest-label: tsan
// The model of what goes on, without a pool: batches and samples in, snapshots out.
#include "observe/model/history.hpp"
#include "observe/model/model.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <string>

using namespace bulkhead;
using namespace bulkhead::observe;
using namespace std::chrono_literals;
using observe::detail::batch;
using observe::detail::called;
using observe::detail::history;
using observe::detail::items_end;
using observe::detail::model;
using observe::detail::noted_end;
using observe::detail::steady;

namespace {

const steady::time_point begin = steady::now();

std::string by_offset(const called& what) { return "task" + std::to_string(what.stub.offset); }

model fresh() { return {begin, std::chrono::system_clock::now(), &by_offset}; }

items_end end_of(std::uint64_t task, std::chrono::nanoseconds at, std::chrono::nanoseconds ran) {
  items_end e;
  e.task = task;
  e.items = 1;
  e.attempt = 1;
  e.what.stub = {1, 7};
  e.worker = 3;
  e.queued = begin + 1ms;
  e.ended = begin + at;
  e.ran = ran;
  return e;
}

} // namespace

TEST_CASE("a time falls into the range whose bound it does not exceed") {
  histogram h;
  h.add(1us);
  h.add(1001ns);
  h.add(1h);
  CHECK(h.counts()[0] == 1);
  CHECK(h.counts()[1] == 1);
  CHECK(h.counts().back() == 1);
  CHECK(h.count() == 3);
  CHECK(h.sum_seconds() == doctest::Approx(3600.000002001));
  CHECK(h.quantile(1) == 300);
  CHECK(histogram{}.quantile(0.5) == 0);
}

TEST_CASE("a quantile lies within the range that holds it") {
  histogram h;
  h.add(30ms, 90);
  h.add(3s, 10);
  CHECK(h.quantile(0.5) > 0.02);
  CHECK(h.quantile(0.5) <= 0.05);
  CHECK(h.quantile(0.95) > 2);
  CHECK(h.quantile(0.95) <= 5);
}

TEST_CASE("a measured task began where its time before its end says, and waited until then") {
  auto m = fresh();
  const auto slices = m.take(batch{{noted_end{end_of(1, 50ms, 20ms)}}, {}, {}, 0, false, {}});
  REQUIRE(slices.size() == 1);
  CHECK(slices[0].began == 30ms);
  CHECK(slices[0].waited == 29ms);
  CHECK(slices[0].name == "task7");
}

TEST_CASE("a slice begins no earlier than the one before it on its worker has ended") {
  auto m = fresh();
  m.take(batch{{noted_end{end_of(1, 50ms, 20ms)}}, {}, {}, 0, false, {}});
  const auto next = m.take(batch{{noted_end{end_of(2, 60ms, 20ms)}}, {}, {}, 0, false, {}});
  CHECK(next[0].began == 50ms);
}

TEST_CASE("a task that was not measured counts like the last on its worker that was") {
  auto m = fresh();
  m.take(batch{{noted_end{end_of(1, 50ms, 2ms)}}, {}, {}, 0, false, {}});
  const auto next = m.take(batch{{noted_end{end_of(2, 60ms, 0ns)}}, {}, {}, 0, false, {}});
  CHECK(next[0].began == 58ms);
  const auto all = m.look({});
  REQUIRE(all.tasks.size() == 1);
  CHECK(all.tasks[0].run.count() == 2);
  CHECK(all.tasks[0].run.sum_seconds() == doctest::Approx(0.004));
}

TEST_CASE("a task whose worker died ran since the one before it ended there") {
  auto m = fresh();
  m.take(batch{{noted_end{end_of(1, 50ms, 20ms)}}, {}, {}, 0, false, {}});
  failure f;
  f.kind = failure_kind::worker_died;
  f.message = "boom";
  auto dead = end_of(2, 90ms, 0ns);
  dead.failed = &f;
  const auto next = m.take(batch{{noted_end{dead}}, {{noted_end{dead}, f}}, {}, 0, false, {}});
  CHECK(next[0].began == 50ms);
  CHECK(next[0].result == task_result::failed);
  const auto all = m.look({});
  REQUIRE(all.failures.size() == 1);
  CHECK(all.failures[0].what.message == "boom");
  CHECK(all.tasks[0].failed == 1);
}

TEST_CASE("the first task of a worker began after the worker was ready") {
  auto m = fresh();
  failure f;
  f.kind = failure_kind::worker_died;
  auto dead = end_of(1, 90ms, 0ns);
  dead.failed = &f;
  pool_event ready;
  ready.kind = event_kind::ready;
  ready.worker = 3;
  const auto slices =
    m.take(batch{{noted_end{dead}}, {}, {{worker_kind::tasks, begin + 80ms, ready}}, 0, false, {}});
  CHECK(slices[0].began == 80ms);
}

TEST_CASE("who has seen up to a number is told only of what came behind it") {
  auto m = fresh();
  for (std::uint64_t task = 1; task <= 10; ++task)
    m.take(batch{{noted_end{end_of(task, 50ms + task * 1ms, 1ms)}}, {}, {}, 0, false, {}});
  CHECK(m.look({}).slices.size() == 10);
  const auto behind = m.look({7, 0, 0}).slices;
  REQUIRE(behind.size() == 3);
  CHECK(behind[0].task == 8);
}

TEST_CASE("what is kept is bounded, whatever comes") {
  auto m = fresh();
  for (int round = 0; round < 30; ++round) {
    batch b;
    for (std::uint64_t i = 0; i < 1000; ++i) {
      auto e = end_of(i + 1, 50ms, 1us);
      e.what.stub.offset = round * 1000 + i; // each a function of its own
      b.ended.emplace_back(e);
    }
    m.take(b);
  }
  const auto all = m.look({});
  CHECK(all.slices.size() == model::kept_slices);
  CHECK(all.slices.back().number == 30'000);
  CHECK(all.tasks.size() == model::most_names + 1);
  CHECK(all.tasks.back().name == "other tasks");
  std::uint64_t counted = 0;
  for (const auto& t : all.tasks)
    counted += t.succeeded;
  CHECK(counted == 30'000);
}

TEST_CASE("a death counts by its cause, a worker that is replaced in order does not") {
  auto m = fresh();
  batch b;
  pool_event e;
  e.kind = event_kind::died;
  e.exit.cause = exit_cause::killed;
  b.events.push_back({worker_kind::tasks, begin + 1ms, e});
  b.events.push_back({worker_kind::actors, begin + 2ms, e});
  e.kind = event_kind::recycled;
  b.events.push_back({worker_kind::tasks, begin + 3ms, e});
  m.take(b);
  const auto all = m.look({});
  CHECK(all.deaths.size() == 1);
  CHECK(all.deaths.at("killed") == 2);
  CHECK(all.events.size() == 3);
}

TEST_CASE("the history spans a whole life in a bounded number of points") {
  history h;
  for (int second = 0; second <= 100'000; ++second) {
    point p;
    p.at = std::chrono::seconds{second};
    p.done = static_cast<std::uint64_t>(second) * 10;
    h.add(p);
    REQUIRE(h.points().size() <= history::most_points);
  }
  CHECK(h.points().front().at == 0s);
  CHECK(h.points().back().at == 100'000s);
  CHECK(h.points().size() >= history::most_points / 4);
  CHECK(h.tasks_a_second() == doctest::Approx(10));
}

TEST_CASE("a pool that has ended shows its last counts, and its workers dead") {
  auto m = fresh();
  observe::detail::sample now;
  now.at = begin + 1s;
  now.workers.resize(2);
  now.workers[0].worker.state = worker_state::busy;
  now.workers[0].running = "task";
  m.take(now);
  pool_stats last;
  last.submitted = last.succeeded = 7;
  m.end(last, begin + 2s);
  const auto all = m.look({});
  CHECK(all.ended);
  CHECK(all.stats.succeeded == 7);
  REQUIRE(all.workers.size() == 2);
  CHECK(all.workers[0].worker.state == worker_state::dead);
  CHECK(all.workers[0].running.empty());
  CHECK(all.history.back().done == 7);
}
