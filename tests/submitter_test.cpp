// ctest-link: bulkhead_engine_rabbitmq
// The submitter's half of the engine's protocol without a broker: the test plays the nodes, honest
// ones and liars, and moves the clock.
#include "engine/submitter/submitter.hpp"
#include "engine/wire/failure_record.hpp"

#include <bulkhead/tasks.hpp>

#include <doctest/doctest.h>

#include <cstring>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

using namespace bulkhead;
using namespace bulkhead::engine;
using namespace std::chrono_literals;

namespace {

/// Takes outcomes, and sees that each item has one.
struct counting_sink final : detail::task_sink {
  std::map<std::uint64_t, std::string> values;
  std::map<std::uint64_t, failure> failures;

  void on_value(std::uint64_t item, std::span<const std::byte> result) noexcept override {
    CHECK(!ended(item));
    values[item] = {reinterpret_cast<const char*>(result.data()), result.size()};
  }
  void on_failure(std::uint64_t item, failure&& f) noexcept override {
    CHECK(!ended(item));
    failures[item] = std::move(f);
  }
  bool ended(std::uint64_t item) const { return values.contains(item) || failures.contains(item); }
};

class stage {
public:
  explicit stage(pool_options with = {})
    : options(std::move(with)),
      s("pool", {.url = "amqp://x", .queue = "q", .lease = 10s}, options, ports()) {
    s.on_connected(now);
  }

  /// Tasks of four bytes of arguments each.
  std::uint64_t submit(std::uint32_t items, task_options own = {}) {
    detail::work w;
    w.stub = {7, 7};
    w.item_bytes = 4;
    w.items = items;
    w.body.grow(4 * std::size_t{items});
    w.sink = sink;
    w.first_item = items_;
    items_ += items;
    w.options = std::make_shared<task_options>(std::move(own));
    return s.submit(std::move(w), now);
  }
  void send_all() {
    while (s.send_batch(now)) {
    }
  }
  template <class Message>
  void say(message_kind kind, const Message& m) {
    s.on_message(pack(kind, m), now);
  }
  void ask(const std::string& node, std::uint64_t number, std::vector<task_range> wanted) {
    say(message_kind::ask, ask_message{node, number, std::move(wanted)});
  }
  /// Of the last message of that kind.
  template <class Message>
  Message last(message_kind kind) const {
    for (auto at = published.rbegin(); at != published.rend(); ++at)
      if (kind_of(at->second) == kind)
        return unpack<Message>(at->second);
    FAIL("no such message");
    return {};
  }
  void values(const std::string& node, std::uint64_t number, task_range tasks,
              const std::string& value = "v") {
    outcome_run run{run_kind::values, number, tasks, 1000, {}};
    for (std::uint32_t i = 0; i < tasks.count; ++i) {
      const auto length = static_cast<std::uint32_t>(value.size());
      const auto* from = reinterpret_cast<const std::byte*>(&length);
      run.bytes.insert(run.bytes.end(), from, from + sizeof length);
      for (const char c : value)
        run.bytes.push_back(static_cast<std::byte>(c));
    }
    say(message_kind::outcomes, outcomes_message{node, 1, {run}});
  }
  void fail(const std::string& node, std::uint64_t number, std::uint64_t task, failure_kind kind) {
    failure f;
    f.kind = kind;
    f.may_have_executed = true;
    outcome_run run{run_kind::failure, number, {task, 1}, 0, encode_record(f)};
    say(message_kind::outcomes, outcomes_message{node, 1, {run}});
  }
  void later(std::chrono::nanoseconds time, bool connected = true) {
    for (const auto end = now + time; now < end;) {
      now += 1s;
      s.on_time(now, connected);
    }
  }

  pool_options options;
  time_point now{1h};
  std::shared_ptr<counting_sink> sink = std::make_shared<counting_sink>();
  std::vector<std::pair<std::string, packed_bytes>> published;
  std::vector<pool_event> events;
  submitter s;

private:
  std::uint64_t items_ = 0;

  submitter_ports ports() {
    submitter_ports p;
    p.publish = [this](const std::string& queue, const packed_bytes& m) {
      published.emplace_back(queue, m);
    };
    p.announce = [this](const packed_bytes& m) { published.emplace_back("*", m); };
    p.look = [](const std::string&) {};
    p.tell = [this](pool_event e) { events.push_back(std::move(e)); };
    p.ended = [](std::uint64_t) {};
    return p;
  }
};

} // namespace

TEST_CASE("a batch, a question, a grant, outcomes") {
  stage t;
  CHECK(t.submit(3) == 1);
  t.send_all();
  const auto batch = t.last<batch_message>(message_kind::batch);
  CHECK(t.published.back().first == "bulkhead.q.0000000000000007");
  REQUIRE(batch.pieces.size() == 1);
  CHECK(sound(batch.pieces[0]));
  t.ask("n", 1, {{1, 3}});
  CHECK(t.last<grant_message>(message_kind::grant).granted[0].tasks == task_range{1, 3});
  t.values("n", 1, {1, 2});
  t.fail("n", 1, 3, failure_kind::task_exception);
  CHECK(t.sink->values.size() == 2);
  CHECK(t.sink->failures[2].kind == failure_kind::task_exception);
  CHECK(t.s.at_rest());
  CHECK(t.last<settled_message>(message_kind::settled).letter == 1);
}

TEST_CASE("nobody ends a task but its holder, under the number of its grant") {
  stage t;
  t.submit(1);
  t.send_all();
  t.values("liar", 1, {1, 1});
  t.ask("n", 5, {{1, 1}});
  t.ask("other", 1, {{1, 1}});
  CHECK(t.last<grant_message>(message_kind::grant).denied[0] == task_range{1, 1});
  t.values("other", 1, {1, 1});
  t.values("n", 4, {1, 1});
  CHECK(!t.sink->ended(0));
  CHECK(t.s.stats().dead_letters >= 2);
  t.values("n", 5, {1, 1}, "right");
  CHECK(t.sink->values[0] == "right");
  t.values("n", 5, {1, 1}, "again");
  CHECK(t.sink->values[0] == "right");
}

TEST_CASE("the task of a lost node ends, or is tried again where it has retries") {
  stage t;
  t.submit(1);
  t.submit(1, {.retries = 1});
  t.send_all();
  t.ask("n", 1, {{1, 2}});
  t.later(9s);
  CHECK(t.last<sign_message>(message_kind::ping).from == "pool");
  CHECK(!t.sink->ended(0));
  t.later(5s);
  CHECK(t.sink->failures[0].exit.cause == exit_cause::node_lost);
  CHECK(t.sink->failures[0].may_have_executed);
  t.values("n", 1, {1, 2}); // late
  CHECK(!t.sink->values.contains(1));
  t.later(1s);
  t.send_all();
  t.ask("m", 1, {{2, 1}});
  t.values("m", 1, {2, 1});
  CHECK(t.sink->values.contains(1));
  CHECK(t.s.at_rest());
  CHECK(t.s.stats().retried == 1);
}

TEST_CASE("a broker that is away costs nobody the lease") {
  stage t;
  t.submit(1);
  t.send_all();
  t.ask("n", 1, {{1, 1}});
  t.later(100s, false);
  t.s.on_connected(t.now);
  t.later(9s);
  CHECK(!t.sink->ended(0));
  t.values("n", 1, {1, 1});
  CHECK(t.sink->values.size() == 1);
}

TEST_CASE("what was withdrawn or has expired is granted to nobody") {
  stage t;
  t.submit(1);
  t.submit(1, {.deadline = 5s});
  t.send_all();
  CHECK(t.s.cancel(1, false));
  t.now += 6s;
  t.ask("n", 1, {{1, 2}});
  CHECK(t.last<grant_message>(message_kind::grant).granted.empty());
  CHECK(t.s.at_rest());
}

TEST_CASE("a grant that came in vain is given back and goes to another node") {
  stage t;
  t.submit(1);
  t.send_all();
  t.ask("n", 1, {{1, 1}});
  const outcome_run run{run_kind::not_begun, 1, {1, 1}, 0, {}};
  t.say(message_kind::outcomes, outcomes_message{"n", 1, {run}});
  t.send_all();
  t.ask("m", 1, {{1, 1}});
  t.say(message_kind::outcomes, outcomes_message{"n", 1, {run}}); // again: it does not count
  t.ask("n", 2, {{1, 1}});
  CHECK(t.last<grant_message>(message_kind::grant).denied.size() == 1);
  t.values("m", 1, {1, 1});
  CHECK(t.sink->values.size() == 1);
}

TEST_CASE("batches that came back fail with what nodes offer, or wait for a first node") {
  stage t;
  t.submit(1);
  t.send_all();
  t.s.on_returned(t.published.back().second, t.now);
  CHECK(kind_of(t.published.back().second) == message_kind::who);
  t.say(message_kind::offer, offer_message{"elsewhere", "0.1.0", 4, 0, 0, {"./other (build)"}});
  t.later(1s);
  REQUIRE(t.sink->failures.contains(0));
  CHECK(t.sink->failures[0].kind == failure_kind::rejected);
  CHECK(t.sink->failures[0].message.find("./other (build)") != std::string::npos);
}

TEST_CASE("a batch that comes back and was none of ours costs nothing") {
  stage t;
  t.submit(1);
  t.send_all();
  piece endless;
  endless.first = 1;
  endless.count = UINT32_MAX;
  endless.stub = {7, 7};
  t.s.on_returned(pack(message_kind::batch, batch_message{"pool", 1, {endless}}), t.now);
  CHECK(t.s.stats().bad_messages == 1);
  t.ask("n", 1, {{1, 1}});
  CHECK(t.last<grant_message>(message_kind::grant).granted.size() == 1);
}

TEST_CASE("a task may fail on a node in every way in which it may fail at home") {
  for (int kind = 0; kind <= static_cast<int>(failure_kind::config); ++kind) {
    failure f;
    f.kind = static_cast<failure_kind>(kind);
    f.exit.cause = exit_cause::node_lost;
    f.message = "why";
    f.thrown_at = code_trace{{{1, 2, 3}, {4, 5, 6}}};
    const auto arrived = decode_record(encode_record(f));
    REQUIRE(arrived);
    CHECK(arrived->kind == f.kind);
    CHECK(arrived->exit.cause == f.exit.cause);
    CHECK(arrived->message == "why");
    REQUIRE(arrived->thrown_at.frames().size() == 2);
    CHECK(arrived->thrown_at.frames()[1].offset == 6);
  }
}

TEST_CASE("whatever arrives ends nothing that it may not end, and crashes nothing") {
  std::mt19937 random{1};
  for (int round = 0; round < 200; ++round) {
    stage t;
    t.submit(8);
    t.submit(1, {.retries = 2});
    t.send_all();
    t.ask("n", 1, {{1, 4}});
    const outcome_run forged{run_kind::values, 1, {1, 9}, 1, {}};
    const std::vector<packed_bytes> seeds{
      pack(message_kind::ask, ask_message{"n", 2, {{1, 9}}}),
      pack(message_kind::outcomes, outcomes_message{"n", 1, {forged}}),
      pack(message_kind::pong, sign_message{"n"}),
      pack(message_kind::offer, offer_message{"n", "1", 1, 1, 1, {"m"}})};
    for (int i = 0; i < 50; ++i) {
      auto bytes = seeds[random() % seeds.size()];
      for (auto changes = random() % 4; changes-- != 0;)
        bytes[random() % bytes.size()] = static_cast<std::byte>(random());
      if (random() % 4 == 0)
        bytes.resize(random() % bytes.size());
      t.s.on_message(bytes, t.now);
    }
    t.s.end_all(failure{});
    CHECK(t.s.at_rest());
  }
}
