#include "actors/supervision/spec_faults.hpp"
#include "actors/supervision/supervision.hpp"

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using namespace bulkhead;
using namespace bulkhead::actors;
using act = supervision_action::kind;
using time_point = supervision::time_point;

child_rule rule(std::string id, restart_type type = restart_type::permanent) {
  child_rule r;
  r.id = std::move(id);
  r.restart = type;
  return r;
}

/// Carries the step out against children that do at once what they are told.
struct world {
  world(const supervisor_options& options, std::vector<child_rule> rules)
    : step(options, std::move(rules), 1) {
    step.begin(1000, now);
    run();
  }

  void run() {
    for (auto todo = step.take_actions(); !todo.empty(); todo = step.take_actions())
      for (const auto& a : todo)
        carry_out(a);
  }

  void carry_out(const supervision_action& a) {
    switch (a.what) {
    case act::start:
      names[a.child] = step.children().at(a.child).rule.id;
      log += " +" + names[a.child];
      if (fails.contains(names[a.child]) && fails[names[a.child]]-- > 0)
        step.start_failed(a.child, "no", now);
      else
        step.started(a.child, now);
      break;
    case act::ask:
      log += " -" + names[a.child];
      if (!deaf.contains(names[a.child]))
        step.exited(a.child, exit_kind::shutdown, 0, now);
      break;
    case act::kill:
      log += " !" + names[a.child];
      step.exited(a.child, exit_kind::abnormal, 0, now);
      break;
    case act::answer:
      answers[a.request].push_back(a.answer);
      break;
    case act::end:
      why = a.why;
      log += " end";
      break;
    case act::forget:
    case act::down:
    case act::wait:
      break;
    }
  }

  void crash(const std::string& id, exit_kind how = exit_kind::abnormal, std::uint64_t death = 0) {
    step.exited(step.key_of(id), how, death, now);
    run();
  }
  answer_kind reply(request_id r) {
    run();
    REQUIRE(answers[r].size() == 1);
    return answers[r].front();
  }
  std::string take_log() { return std::exchange(log, {}); }

  time_point now{1h};
  supervision step;
  std::map<child_key, std::string> names;
  std::map<std::string, int> fails;
  std::set<std::string> deaf;
  std::map<request_id, std::vector<answer_kind>> answers;
  std::string log;
  end_kind why{};
};

supervisor_options with(restart_strategy s, std::size_t most = 100) {
  supervisor_options o;
  o.strategy = s;
  o.max_restarts = most;
  return o;
}

std::vector<child_rule> abc(restart_type b = restart_type::permanent) {
  return {rule("a"), rule("b", b), rule("c")};
}

} // namespace

TEST_CASE("each strategy restarts whom it names, stopped in the reverse order of the start") {
  using std::pair;
  for (const auto& [strategy, expected] :
       {pair{restart_strategy::one_for_one, " +b"},
        pair{restart_strategy::rest_for_one, " -c +b +c"},
        pair{restart_strategy::one_for_all, " -c -a +a +b +c"}}) {
    CAPTURE(to_string(strategy));
    world w{with(strategy), abc()};
    CHECK(w.take_log() == " +a +b +c");
    CHECK(w.reply(1000) == answer_kind::done);
    w.crash("b");
    CHECK(w.take_log() == expected);
    w.step.stop(1, w.now);
    CHECK(w.reply(1) == answer_kind::done);
    CHECK(w.take_log() == " -c -b -a end");
    CHECK(w.why == end_kind::stopped);
  }
}

TEST_CASE("restart type and kind of exit decide whether there is a restart at all") {
  for (const auto strategy : {restart_strategy::one_for_one, restart_strategy::one_for_all,
                              restart_strategy::rest_for_one})
    for (const auto type :
         {restart_type::permanent, restart_type::transient, restart_type::temporary})
      for (const auto how : {exit_kind::normal, exit_kind::shutdown, exit_kind::abnormal}) {
        CAPTURE(to_string(strategy));
        CAPTURE(to_string(type));
        CAPTURE(static_cast<int>(how));
        world w{with(strategy), abc(type)};
        w.take_log();
        w.crash("b", how);
        const bool restarts = type == restart_type::permanent
                              || (type == restart_type::transient && how == exit_kind::abnormal);
        CHECK(w.take_log().empty() != restarts);
        CHECK((w.step.key_of("b") == 0) == (type == restart_type::temporary));
      }
}

TEST_CASE("more restarts than allowed within the period stop everything; later ones do not count") {
  world w{with(restart_strategy::one_for_one, 2), abc()};
  for (int i = 0; i < 2; ++i)
    w.crash("b");
  w.now += 5s + 1ns;
  w.crash("b");
  w.crash("b");
  w.take_log();
  w.crash("b");
  CHECK(w.take_log() == " -c -a end");
  CHECK(w.why == end_kind::too_many_restarts);
  w.step.terminate_child(7, "a", w.now);
  CHECK(w.reply(7) == answer_kind::ended);
}

TEST_CASE("children that end with one worker process count as one restart") {
  world w{with(restart_strategy::one_for_one, 1), abc()};
  for (const auto* id : {"a", "b", "c"})
    w.crash(id, exit_kind::abnormal, 17);
  CHECK(w.take_log() == " +a +b +c +a +b +c");
  w.crash("a", exit_kind::abnormal, 18);
  CHECK(w.why == end_kind::too_many_restarts);
}

TEST_CASE("a failed restart is tried again, and each attempt counts") {
  for (const auto strategy : {restart_strategy::one_for_one, restart_strategy::rest_for_one,
                              restart_strategy::one_for_all}) {
    CAPTURE(to_string(strategy));
    world w{with(strategy, 3), abc()};
    w.fails["b"] = 2;
    w.crash("b");
    CHECK_FALSE(w.step.ended());
    for (const auto* id : {"a", "b", "c"})
      CHECK(w.step.children().at(w.step.key_of(id)).state == child_state::running);
    w.fails["b"] = 100;
    w.now += 10s;
    w.crash("b");
    CHECK(w.step.ended());
    CHECK(w.why == end_kind::too_many_restarts);
  }
}

TEST_CASE("another child that fails during a restart is tried again with those behind it") {
  world w{with(restart_strategy::rest_for_one), abc()};
  w.take_log();
  w.fails["c"] = 1;
  w.crash("b");
  CHECK(w.take_log() == " -c +b +c +c");
  world all{with(restart_strategy::one_for_all), abc()};
  all.take_log();
  all.fails["c"] = 1;
  all.crash("a");
  CHECK(all.take_log() == " -c -b +a +b +c -b -a +a +b +c");
}

TEST_CASE("a child that does not start at the beginning stops those before it") {
  supervision s{with(restart_strategy::one_for_one), abc(), 1};
  const time_point now{1h};
  s.begin(1, now);
  s.started(1, now);
  s.start_failed(2, "no", now);
  s.exited(1, exit_kind::shutdown, 0, now);
  CHECK(s.ended());
  const auto all = s.take_actions();
  CHECK(std::any_of(all.begin(), all.end(), [](const auto& a) {
    return a.what == act::answer && a.request == 1 && a.answer == answer_kind::start_failed
           && a.text == "child 'b' did not start: no";
  }));
}

TEST_CASE("a deaf child is killed at its deadline, brutal_kill asks nobody, infinity waits") {
  auto rules = abc();
  rules[0].shutdown = infinity;
  rules[1].shutdown = 3s;
  rules[2].shutdown = brutal_kill;
  world w{with(restart_strategy::one_for_one), rules};
  w.take_log();
  w.deaf = {"a", "b"};
  w.step.stop(1, w.now);
  w.run();
  CHECK(w.take_log() == " !c -b");
  CHECK(w.step.next_tick() == w.now + 3s);
  w.step.tick(w.now + 2999ms);
  w.run();
  CHECK(w.take_log().empty());
  w.now += 3s;
  w.step.tick(w.now);
  w.run();
  CHECK(w.take_log() == " !b -a");
  CHECK(w.step.next_tick() == time_point::max());
  w.crash("a", exit_kind::normal);
  CHECK(w.step.ended());
}

TEST_CASE("requests at run time have OTP's answers") {
  world w{with(restart_strategy::one_for_one), abc()};
  auto& s = w.step;
  s.start_child(1, rule("a"), w.now);
  CHECK(w.reply(1) == answer_kind::already_started);
  s.terminate_child(2, "x", w.now);
  CHECK(w.reply(2) == answer_kind::not_found);
  s.delete_child(3, "a", w.now);
  CHECK(w.reply(3) == answer_kind::running);
  s.terminate_child(4, "a", w.now);
  CHECK(w.reply(4) == answer_kind::done);
  s.terminate_child(5, "a", w.now);
  CHECK(w.reply(5) == answer_kind::done);
  s.start_child(6, rule("a"), w.now);
  CHECK(w.reply(6) == answer_kind::already_present);
  w.fails["a"] = 1;
  s.restart_child(7, "a", w.now);
  CHECK(w.reply(7) == answer_kind::start_failed);
  s.restart_child(8, "a", w.now);
  CHECK(w.reply(8) == answer_kind::done);
  s.restart_child(9, "a", w.now);
  CHECK(w.reply(9) == answer_kind::running);
  s.terminate_child(10, "a", w.now);
  s.delete_child(11, "a", w.now);
  CHECK(w.reply(11) == answer_kind::done);
  s.restart_child(12, "a", w.now);
  CHECK(w.reply(12) == answer_kind::not_found);
  w.fails["d"] = 1;
  s.start_child(13, rule("d"), w.now);
  CHECK(w.reply(13) == answer_kind::start_failed);
  s.start_child(14, rule("d"), w.now);
  CHECK(w.reply(14) == answer_kind::done);
}

TEST_CASE("the back-off starts with the second restart, doubles, and can be ended by a request") {
  auto options = with(restart_strategy::one_for_one);
  options.backoff_initial = 100ms;
  options.backoff_max = 300ms;
  options.within = 1h;
  world w{options, abc()};
  w.take_log();
  w.crash("b");
  CHECK(w.take_log() == " +b");
  for (const auto expected : {100ms, 200ms, 300ms, 300ms}) {
    w.crash("b");
    CHECK(w.take_log().empty());
    const auto wait = w.step.next_tick() - w.now;
    CHECK(wait >= expected * 3 / 4);
    CHECK(wait <= expected * 5 / 4);
    w.now += wait;
    w.step.tick(w.now);
    w.run();
    CHECK(w.take_log() == " +b");
  }
  w.crash("b");
  w.step.restart_child(1, "b", w.now);
  CHECK(w.reply(1) == answer_kind::restarting);
  w.step.terminate_child(2, "b", w.now);
  CHECK(w.reply(2) == answer_kind::done);
  CHECK(w.step.next_tick() == time_point::max());
}

TEST_CASE("the end of significant children ends the supervisor, of any or of all") {
  for (const auto mode : {auto_shutdown::any_significant, auto_shutdown::all_significant}) {
    auto rules = abc();
    for (auto& r : rules) {
      r.restart = restart_type::transient;
      r.significant = r.id != "c";
    }
    auto options = with(restart_strategy::one_for_one);
    options.auto_shutdown = mode;
    world w{options, rules};
    w.crash("c", exit_kind::normal);
    CHECK_FALSE(w.step.ended());
    w.crash("a", exit_kind::abnormal);
    CHECK_FALSE(w.step.ended());
    w.crash("a", exit_kind::normal);
    CHECK(w.step.ended() == (mode == auto_shutdown::any_significant));
    w.crash("b", exit_kind::shutdown);
    CHECK(w.step.ended());
    CHECK(w.why == end_kind::automatic);
  }
}

TEST_CASE("faulty specs are told all at once, each with place and what is allowed") {
  supervisor_options options;
  options.within = 0s;
  options.backoff_initial = -1ns;
  options.backoff_max = -2ns;
  options.name = "a/b";
  auto rules = abc();
  rules[0].significant = true;
  rules[1].id = "c";
  rules[1].shutdown = -5ns;
  rules.push_back(rule(""));
  const auto all = faults_of(options, rules);
  for (const auto* text :
       {"within is 0 ns", "backoff_initial is -1 ns", "backoff_max is -2 ns", "name is 'a/b'",
        "child 'a': significant is true for a permanent", "child 'a': significant is true while",
        "child 'c': shutdown is -5 ns", "child 'c': another child", "child_spec::id is empty"})
    CHECK_MESSAGE(all.find(text) != std::string::npos, text);
  CHECK(std::count(all.begin(), all.end(), '\n') == 9);
  CHECK(faults_of(with(restart_strategy::simple_one_for_one), abc()).find("has 3 child specs")
        != std::string::npos);
  CHECK(faults_of({}, abc()).empty());
}

TEST_CASE("a child terminated by request stays down while its siblings are restarted") {
  CHECK(rc::check([] {
    const auto strategy = *rc::gen::element(
      restart_strategy::one_for_one, restart_strategy::one_for_all, restart_strategy::rest_for_one);
    world w{with(strategy), abc()};
    const auto down = *rc::gen::elementOf(std::vector<std::string>{"a", "b", "c"});
    w.step.terminate_child(1, down, w.now);
    w.run();
    w.take_log();
    for (const auto& who : *rc::gen::container<std::vector<std::string>>(
           rc::gen::element<std::string>("a", "b", "c")))
      if (who != down)
        w.crash(who);
    RC_ASSERT(w.take_log().find("+" + down) == std::string::npos);
    w.step.restart_child(2, down, w.now);
    w.run();
    RC_ASSERT(w.answers[2].front() == answer_kind::done);
  }));
}
