// ctest-label: fault
// ctest-timeout: 300
// A worker whose answers break the rules of the wire: the host kills it, answers its tasks, serves
// on.
#include "runtime/channel/span_list.hpp"
#include "runtime/outcome/failure_wire.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/evil_worker.hpp"
#include "tests/support/hostile_pool.hpp"
#include "tests/support/leak_guard.hpp"
#include "tests/support/own_usage.hpp"
#include "tests/support/temporary_folder.hpp"

#include <bulkhead/tasks.hpp>

#include <doctest/doctest.h>

#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

using namespace bulkhead;
using namespace bulkhead::tests;
using namespace bulkhead::runtime;
using namespace std::chrono_literals;

namespace {

/// A lie on the answer ring; the worker then waits for its end.
struct lie {
  const char* name;
  void (*tell)(evil_worker&);
};

answer_header header(std::uint32_t size, answer_kind kind, position where, std::uint32_t bytes) {
  answer_header h{};
  h.size = size;
  h.kind = kind;
  h.where = where;
  h.bytes = bytes;
  return h;
}

void say_header(evil_worker& w, std::uint32_t size, std::uint32_t bytes, std::uint64_t published) {
  w.write(header(size, answer_kind::result, w.own_position(), bytes));
  w.publish(w.tail() + published);
}

void say_parcel(evil_worker& w) {
  auto h = header(sizeof(answer_header), answer_kind::result, w.own_position(), 0);
  h.flags = answer_has_parcel;
  w.write(h);
  w.publish(w.tail() + h.size);
}

void say_kind(evil_worker& w, std::uint16_t kind) {
  w.say(static_cast<answer_kind>(kind), w.own_position());
}

position shifted(const evil_worker& w, std::int64_t frames) {
  return make_position(sequence_of(w.own_position()) + static_cast<std::uint64_t>(frames), 0);
}

void say_failure(evil_worker& w, failure_kind kind) {
  failure f;
  f.kind = kind;
  f.message = "so it says";
  bulkhead::detail::buffer bytes;
  encode_failure(bytes, f);
  w.say(answer_kind::failed, w.own_position(), 0, bytes.bytes());
}

void flood_with_parts(evil_worker& w) {
  for (int i = 0; i < 200; ++i) { // 200 x 16 KiB: beyond queue_bytes
    w.say(answer_kind::part, w.own_position(), 0, 16 * 1024);
    w.wait_until_read();
  }
}

void punch_hole(evil_worker& w) {
  w.write(header(4096, answer_kind::result, w.own_position(), 4000), 4000);
  for (const int fd : evil_worker::memfds()) // reads as zeros: no header
    ::fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 1 << 20);
  w.publish(w.tail() + 4096);
}

/// With results without bytes, or with lengths of garbage.
void say_column(const evil_worker& w, position where, std::uint32_t items, std::uint32_t bytes,
                bool garbage = false) {
  auto h = header(static_cast<std::uint32_t>(sizeof(answer_header) + bytes), answer_kind::column,
                  where, bytes);
  h.items = items;
  const auto size = w.write(h, bytes);
  if (!garbage)
    std::memset(w.at(w.tail() + sizeof h), 0, bytes);
  w.publish(w.tail() + size);
}

const lie lies[] = {
  {"tail beyond the ring", [](evil_worker& w) { w.publish(w.tail() + w.ring_bytes() + 8); }},
  {"tail goes back", [](evil_worker& w) { w.publish(w.tail() - 8); }},
  {"tail is misaligned", [](evil_worker& w) { w.publish(w.tail() + 36); }},
  {"tail at the end of its type", [](evil_worker& w) { w.publish(~std::uint64_t{7}); }},
  {"tail within a header", [](evil_worker& w) { w.publish(w.tail() + 8); }},
  {"length 0", [](evil_worker& w) { say_header(w, 0, 0, 32); }},
  {"length 1", [](evil_worker& w) { say_header(w, 1, 0, 32); }},
  {"length below a header", [](evil_worker& w) { say_header(w, 24, 0, 32); }},
  {"length not a multiple of 8", [](evil_worker& w) { say_header(w, 36, 0, 40); }},
  {"length beyond what is published", [](evil_worker& w) { say_header(w, 64, 0, 32); }},
  {"length 2^32 - 8", [](evil_worker& w) { say_header(w, 0xfffffff8U, 0, 64); }},
  {"payload beyond the answer", [](evil_worker& w) { say_header(w, 40, 9, 40); }},
  {"payload of 2^32 - 1 bytes", [](evil_worker& w) { say_header(w, 40, 0xffffffffU, 40); }},
  {"a parcel that never came", [](evil_worker& w) { say_parcel(w); }},
  {"kind 0", [](evil_worker& w) { say_kind(w, 0); }},
  {"kind 11", [](evil_worker& w) { say_kind(w, 11); }},
  {"spans that are none", [](evil_worker& w) { w.say(answer_kind::spans, 0, 0, 64); }},
  {"spans without end",
   [](evil_worker& w) {
     detail::buffer list;
     add_span(list, {1, "part", {}, {}});
     for (int i = 0; i < 100; ++i)
       w.say(answer_kind::spans, 0, 0, list.bytes());
   }},
  {"a column without items", [](evil_worker& w) { say_column(w, w.own_position(), 0, 8); }},
  {"a column of more items than the frame has",
   [](evil_worker& w) { say_column(w, w.own_position(), 2, 64); }},
  {"a column of 2^32 - 1 items",
   [](evil_worker& w) { say_column(w, w.own_position(), 0xffffffffU, 64); }},
  {"a column at another position", [](evil_worker& w) { say_column(w, shifted(w, 1), 1, 64); }},
  {"a column whose result is longer than it",
   [](evil_worker& w) { say_column(w, w.own_position(), 1, 64, true); }},
  {"a column after a part",
   [](evil_worker& w) {
     w.say(answer_kind::part, w.own_position(), 0, 64);
     say_column(w, w.own_position(), 1, 8);
   }},
  {"figures that nobody asked for",
   [](evil_worker& w) { w.say(answer_kind::measured, w.own_position(), 0, 24); }},
  {"grown without a limit", [](evil_worker& w) { w.say(answer_kind::grown, 0); }},
  {"kind 65535", [](evil_worker& w) { say_kind(w, 0xffff); }},
  {"a position never sent", [](evil_worker& w) { w.say(answer_kind::result, shifted(w, 1000)); }},
  {"position 0", [](evil_worker& w) { w.say(answer_kind::result, 0); }},
  {"no position", [](evil_worker& w) { w.say(answer_kind::result, no_position); }},
  {"a position already answered",
   [](evil_worker& w) { w.say(answer_kind::result, shifted(w, -1)); }},
  {"the next position first", [](evil_worker& w) { w.say(answer_kind::result, shifted(w, 1)); }},
  {"an item beyond the frame",
   [](evil_worker& w) {
     w.say(answer_kind::result, make_position(sequence_of(w.own_position()), 1));
   }},
  {"an answer with phase bits",
   [](evil_worker& w) { w.say(answer_kind::result, w.own_position() | 3); }},
  {"ready twice", [](evil_worker& w) { w.say(answer_kind::ready, 0); }},
  {"unfit after ready", [](evil_worker& w) { w.say(answer_kind::unfit, 0, 0, 100); }},
  {"returned with an end before it",
   [](evil_worker& w) { w.say(answer_kind::returned, w.own_position(), 1); }},
  {"returned with an end never sent",
   [](evil_worker& w) {
     w.say(answer_kind::returned, w.own_position(), sequence_of(w.own_position()) + 1000);
   }},
  {"returned with an end of 2^64 - 1",
   [](evil_worker& w) { w.say(answer_kind::returned, w.own_position(), ~std::uint64_t{0}); }},
  {"returned from a later position",
   [](evil_worker& w) {
     w.say(answer_kind::returned, shifted(w, 1), sequence_of(w.own_position()) + 2);
   }},
  {"a failure of garbage",
   [](evil_worker& w) { w.say(answer_kind::failed, w.own_position(), 0, 500); }},
  {"an empty failure", [](evil_worker& w) { w.say(answer_kind::failed, w.own_position()); }},
  {"a part of another result",
   [](evil_worker& w) { w.say(answer_kind::part, shifted(w, 1), 0, 64); }},
  {"a part without bytes", [](evil_worker& w) { w.say(answer_kind::part, w.own_position()); }},
  {"a failure after a part",
   [](evil_worker& w) {
     w.say(answer_kind::part, w.own_position(), 0, 64);
     say_failure(w, failure_kind::task_exception);
   }},
  {"an item given back after a part",
   [](evil_worker& w) {
     w.say(answer_kind::part, w.own_position(), 0, 64);
     w.say(answer_kind::returned, w.own_position(), sequence_of(w.own_position()) + 1);
   }},
  {"a failure that only the pool may tell",
   [](evil_worker& w) { say_failure(w, failure_kind::cancelled); }},
  {"parts without end", flood_with_parts},
  {"holes in its segment", punch_hole},
};

/// Of varying length, so that a column has lengths to lie about.
std::string tell_lie(std::size_t which) {
  evil_worker w;
  lies[which].tell(w);
  wait_for_the_end();
}

/// Tells one lie and checks that it cost its worker and its task, and nothing else.
void suffer(pool& p, std::size_t which) {
  CAPTURE(std::string(lies[which].name));
  const auto before = p.stats();
  auto evil = p.submit(tell_lie, which);
  std::vector<future<int>> others;
  for (int i = 0; i < 20; ++i)
    others.push_back(p.submit([](int x) { return x * x; }, i));
  REQUIRE(evil.wait(patience()));
  REQUIRE(!evil.outcome().has_value());
  const auto& f = evil.outcome().failure();
  CHECK(f.kind == failure_kind::worker_died);
  CHECK(f.exit.cause == exit_cause::bad_message);
  CHECK(f.may_have_executed);
  for (std::size_t i = 0; i < others.size(); ++i) {
    REQUIRE(others[i].wait(patience()));
    const auto& o = others[i].outcome();
    if (o.has_value())
      CHECK(o.value() == static_cast<int>(i * i));
    else // it lay behind the lie: nobody can know whether it ran
      CHECK(o.failure().exit.cause == exit_cause::bad_message);
  }
  CHECK(p.stats().bad_messages == before.bad_messages + 1);
  CHECK(p.apply([](int x) { return x + 1; }, 41) == 42);
}

} // namespace

TEST_CASE("each lie on the wire costs the liar and its task; the host and the others go on") {
  const leak_guard guard;
  pool p{two_workers()};
  const char* only = std::getenv("BULKHEAD_TEST_LIE"); // part of its name
  for (std::size_t which = 0; which < std::size(lies); ++which)
    if (only == nullptr || std::strstr(lies[which].name, only) != nullptr)
      suffer(p, which);
  CHECK(eventually([&] { return p.workers().size() == 2; })); // replacements start on their own
}

namespace {

bool wait_for_bad_message(pool& p) {
  const auto end = std::chrono::steady_clock::now() + patience();
  while (p.stats().bad_messages == 0 && std::chrono::steady_clock::now() < end)
    std::this_thread::yield();
  return p.stats().bad_messages == 1;
}

} // namespace

TEST_CASE("a piece of a result for which nothing is in flight is a bad message") {
  const leak_guard guard;
  pool p{two_workers()};
  p.apply([] {
    std::thread{[] {
      evil_worker w;
      const auto next = shifted(w, 1);
      while (w.page().w_sleep.load() % 2 == 0) // until the result is out and the worker idle
        std::this_thread::yield();
      w.wait_until_read();
      w.say(answer_kind::part, next, 0, 64);
    }}.detach();
  });
  CHECK(wait_for_bad_message(p));
  CHECK(p.apply([](int x) { return x + 1; }, 41) == 42);
}

namespace {

/// The first item waits until the others were taken back, answers, and goes on with the next.
int answer_what_was_taken(const std::string& started, answer_kind kind) {
  if (started.empty())
    return 0;
  evil_worker w;
  const auto own = w.own_position();
  std::ofstream{started};
  while (w.host_words().recall.load() == no_position)
    std::this_thread::yield();
  w.say(answer_kind::result, own, 1, 4);
  w.say(kind, make_position(sequence_of(own), 1), 0, 4);
  wait_for_the_end();
}

} // namespace

TEST_CASE("an answer, or a piece of one, for an item that was taken back is a bad message") {
  for (const auto kind : {answer_kind::part, answer_kind::result}) {
    const testing::temporary_folder folder;
    const auto started = (folder.path() / "started").string();
    const leak_guard guard;
    auto o = two_workers();
    o.workers = 1; // an idle one would take the items over
    pool p{o};
    auto all =
      p.map_async([kind](const std::string& file) { return answer_what_was_taken(file, kind); },
                  std::vector<std::string>{started, "", "", ""}, {.chunk = 4});
    while (!std::filesystem::exists(started))
      std::this_thread::yield();
    CHECK(!all.cancel());
    CHECK(wait_for_bad_message(p));
    REQUIRE(all.wait(patience()));
    CHECK(p.apply([](int x) { return x + 1; }, 41) == 42);
  }
}

TEST_CASE("a part of a result that is awaited, but not next, is a lie") {
  const leak_guard guard;
  auto o = two_workers();
  o.workers = 1; // so that the others lie behind the liar
  pool p{o};
  auto evil = p.submit([] {
    const evil_worker w;
    const auto behind = sequence_of(w.own_position()) + 1;
    while (w.host_words().tail.load() <= behind)
      std::this_thread::yield();
    w.say(answer_kind::part, make_position(behind, 0), 0, 64);
    wait_for_the_end();
  });
  const auto other = p.submit([] { return 1; });
  REQUIRE(evil.wait(patience()));
  REQUIRE(!evil.outcome().has_value());
  CHECK(evil.outcome().failure().exit.cause == exit_cause::bad_message);
  REQUIRE(other.wait(patience()));
}

TEST_CASE("who gives back an item after a part is a liar, also where it may give back unasked") {
  const leak_guard guard;
  auto o = two_workers();
  o.max_memory_per_worker = std::size_t{1} << 30;
  pool p{o};
  auto evil = p.submit([] {
    evil_worker w;
    w.say(answer_kind::grown, 0);
    w.say(answer_kind::part, w.own_position(), 0, 64);
    w.say(answer_kind::returned, w.own_position(), sequence_of(w.own_position()) + 1);
    wait_for_the_end();
  });
  REQUIRE(evil.wait(patience()));
  REQUIRE(!evil.outcome().has_value());
  CHECK(evil.outcome().failure().kind == failure_kind::worker_died);
}

namespace {

/// Dies at its third item, as it says, and has not written the results of the first two.
int claim_too_much(int item) {
  evil_worker w;
  if (item != 0)
    ::_exit(1);
  const auto own = w.own_position();
  auto h = header(sizeof(answer_header) + 64, answer_kind::result, own, 64);
  w.write(h, 64);
  w.page().claim.store(make_claim(own + 2 * item_step, claim_phase::started));
  ::raise(SIGKILL);
  return 0;
}

} // namespace

TEST_CASE("who claims items whose results it does not have is a liar: none of them is believed") {
  const leak_guard guard;
  auto o = two_workers();
  o.workers = 1;
  pool p{o};
  const auto all = p.try_map(claim_too_much, std::vector<int>{0, 1, 2, 3}, {.chunk = 4});
  for (const auto& each : all) {
    REQUIRE(!each.has_value());
    CHECK(each.failure().exit.cause == exit_cause::bad_message);
  }
  CHECK(p.stats().bad_messages == 1);
}

TEST_CASE("workers that lie before they serve are a crash loop: the pool breaks") {
  const leak_guard guard;
  auto o = two_workers();
  o.max_memory_per_worker = std::size_t{1} << 30;
  o.restart.max_restarts = 3;
  o.initializer = [] {
    evil_worker{}.say(answer_kind::grown, 0);
    ::pause();
  };
  pool p{o};
  const auto broken = [&] {
    try {
      auto f = p.submit([] { return 1; });
      REQUIRE(f.wait(patience()));
      CHECK(!f.outcome().has_value());
      return f.outcome().failure().kind == failure_kind::pool_broken;
    } catch (const pool_broken&) {
      return true;
    }
  };
  while (!broken()) {
  }
}

TEST_CASE("a result is as large as what comes, whatever was announced") {
  const leak_guard guard;
  pool p{two_workers()};
  auto f = p.submit([]() -> int {
    evil_worker w;
    w.say(answer_kind::part, w.own_position(), ~std::uint64_t{0}, 2);
    w.say(answer_kind::result, w.own_position(), 1, 2);
    wait_for_the_end();
  });
  REQUIRE(f.wait(patience()));
  CHECK(f.successful());
}

TEST_CASE("a worker that claims to have run for ages changes no figures beyond measure") {
  const leak_guard guard;
  pool p{two_workers()};
  auto f = p.submit([] {
    evil_worker w;
    w.say(answer_kind::result, w.own_position(), ~std::uint64_t{0} >> 2, 0);
    wait_for_the_end();
  });
  REQUIRE(f.wait(patience()));
  REQUIRE(p.workers().size() == 2);
  for (const auto& worker : p.workers())
    CHECK(worker.busy < 1h);
}

TEST_CASE("descriptors and memory stay flat over a hundred rounds of lies") {
  const leak_guard guard;
  pool p{two_workers()};
  for (int round = 0; round < 10; ++round)
    suffer(p, static_cast<std::size_t>(round) % std::size(lies));
  const auto rss = own_rss_bytes();
  const auto descriptors = own_descriptors();
  for (int round = 0; round < 100; ++round)
    suffer(p, static_cast<std::size_t>(round) % std::size(lies));
  CHECK(own_descriptors() <= descriptors + 8);
  CHECK(own_rss_bytes() <= rss + (std::size_t{4} << 20));
}

TEST_CASE("a double answer is a bad message; the first one counts") {
  const leak_guard guard;
  pool p{two_workers()};
  auto f = p.submit([] {
    evil_worker w;
    const auto here = w.own_position();
    w.say(answer_kind::result, here, 1, 0);
    w.say(answer_kind::result, here, 1, 0);
    wait_for_the_end();
  });
  CHECK(f.wait(60s));
  CHECK(f.successful());
  while (p.stats().bad_messages == 0) // counted when its worker has been buried
    std::this_thread::yield();
  CHECK(p.apply([] { return 1; }) == 1);
  CHECK(p.stats().bad_messages == 1);
}
