// ctest-timeout: 120
#include "tests/support/host_system.hpp"
#include "tests/support/leak_guard.hpp"
#include "tests/support/stage.hpp"

#include <doctest/doctest.h>

#include <signal.h>

#include <cstdlib>
#include <functional>
#include <optional>

// The reference is CAF: a random program of actors is run inside one process, by plain CAF, and
// then with its actors spread over the host and three workers of a pool. Everybody must see the
// same. BULKHEAD_TEST_PROGRAMS sets how many programs are run, BULKHEAD_TEST_SEED the first one.

namespace {

using namespace bulkhead::tests;
using namespace bulkhead::tests::play;

constexpr int steps = 20;
constexpr std::size_t workers = 3;
constexpr std::chrono::seconds patience{60};

std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
  const auto* text = std::getenv(variable);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

/// A key whose actors live in the worker with this number.
std::string key_of(std::int32_t place) {
  for (int i = 0;; ++i)
    if (auto key = "key " + std::to_string(i);
        std::hash<std::string>{}(key) % workers == static_cast<std::size_t>(place - 1))
      return key;
}

struct world {
  world() {
    bulkhead::pool_options o;
    o.workers = 1;
    o.actor_workers = workers;
    pool.emplace(*host.system, o);
  }
  stage::spawner in_one_process() {
    return [this](const caf::actor& recorder, std::int32_t number, std::int32_t) {
      return caf::actor{host.system->spawn<player>(recorder, number)};
    };
  }
  stage::spawner across_workers() {
    return [this](const caf::actor& recorder, std::int32_t number, std::int32_t place) {
      if (place == 0)
        return caf::actor{host.system->spawn<player>(recorder, number)};
      return pool->spawn<player>(bulkhead::placement::by_key(key_of(place)), recorder, number);
    };
  }

  host_system host;
  std::optional<bulkhead::pool> pool;
};

/// A step and what it showed, as a reference for a second run. Only of those that outlive it: what
/// one still sees of others while all of them end is an order that CAF leaves open.
struct shown_step {
  step orders;
  std::vector<event> events;
  std::set<std::int32_t> alive; ///< afterwards
};

struct performance {
  std::vector<shown_step> steps;
  std::map<std::int32_t, std::string> ends;
};

/// Runs the program of a seed inside one process, as it writes it.
performance rehearse(world& w, program_writer& writer) {
  performance result;
  stage s{*w.host.system, w.in_one_process(), writer.places()};
  const auto run = [&](step orders) {
    const auto before = s.seen().size();
    s.give(orders);
    s.rest(4);
    s.admit(orders);
    s.rest(4);
    result.steps.push_back({std::move(orders), s.seen().since(before, s.alive()), s.alive()});
  };
  run({});
  for (int i = 0; i < steps && !s.alive().empty(); ++i)
    run(writer.next(s.alive()));
  run(writer.last(s.alive(), verb::wake));
  run(writer.last(s.alive(), verb::settle));
  result.ends = s.finish();
  return result;
}

std::string in_lines(const std::vector<std::string>& lines) {
  std::string result;
  for (const auto& line : lines)
    result += "\n    " + line;
  return result;
}

std::string in_words(const step& s) {
  std::string result;
  for (const auto& [player, o] : s.orders)
    result += "\n    to " + std::to_string(player) + ": verb " + std::to_string(o.what) + ", op "
              + std::to_string(o.op) + ", target " + std::to_string(o.target) + ", other "
              + std::to_string(o.other);
  return result;
}

/// Runs the same again across workers; empty, or the first difference.
std::string repeat(world& w, const program_writer& writer, const performance& reference) {
  stage s{*w.host.system, w.across_workers(), writer.places()};
  for (const auto& shown : reference.steps) {
    const auto before = s.seen().size();
    s.give(shown.orders);
    const bool all = eventually(
      [&] { return s.seen().since(before, shown.alive).size() >= shown.events.size(); }, patience);
    s.rest(3);
    s.admit(shown.orders);
    const auto expected = in_order(shown.events);
    const auto seen = in_order(s.seen().since(before, shown.alive));
    if (s.alive() != shown.alive)
      return "after" + in_words(shown.orders) + "\n  not the same players live";
    if (!all || expected != seen)
      return "after" + in_words(shown.orders) + "\n  plain CAF shows" + in_lines(expected)
             + "\n  across workers" + in_lines(seen);
  }
  const auto ends = s.finish();
  if (ends == reference.ends)
    return {};
  std::string result = "the ends differ:";
  for (const auto& [number, reason] : reference.ends)
    result += "\n    " + std::to_string(number) + ": " + reason + ", across workers "
              + (ends.contains(number) ? ends.at(number) : "none");
  return result;
}

std::string places_of(const program_writer& writer) {
  std::string result;
  for (auto place : writer.places())
    result += " " + std::to_string(place);
  return result;
}

// ---- the second form: one worker is killed in the middle ----

bool is_outcome(const event& x) {
  for (const char* begin : {"answer ", "error ", "got ", "group:", "awaited ", "knows no "})
    if (x.text.starts_with(begin))
      return true;
  return false;
}

bool is_request(const order& o) {
  const auto what = static_cast<verb>(o.what);
  return (what >= verb::ask && what <= verb::ask_stages) || what == verb::ask_await;
}

/// Whether CAF or the documents of bulkhead have the words; what else in_words() says is no answer
/// to a request whose receiver was killed.
bool is_documented(const std::string& text) {
  return text.find("failure: ") == std::string::npos
         && text.find("runtime_error") == std::string::npos && text.find('(') == std::string::npos;
}

/// A program during which a worker is killed, and what must hold all the same.
class casualty {
public:
  casualty(world& w, std::uint64_t seed)
    : writer_(seed, true), random_(seed), s_(*w.host.system, w.across_workers(), writer_.places()) {
    for (std::size_t i = 0; i < writer_.places().size(); ++i)
      places_[static_cast<std::int32_t>(i)] = writer_.places()[i];
  }

  /// False: nobody lives in a worker.
  bool run() {
    const auto first = std::find_if(places_.begin(), places_.end(),
                                    [](const auto& place) { return place.second != 0; });
    if (first == places_.end())
      return false;
    doomed_ = first->second;
    const auto pid = s_.pid_of(first->first);
    REQUIRE(pid > 0);
    take({});
    const auto when = static_cast<int>(random_() % steps);
    for (int i = 0; i < steps && !s_.alive().empty(); ++i)
      take(writer_.next(s_.alive()), i == when ? pid : 0);
    take(writer_.last(s_.alive(), verb::wake));
    take(writer_.last(s_.alive(), verb::settle));
    return true;
  }

  std::int32_t doomed() const noexcept { return doomed_; }
  std::string homes() const {
    std::string result;
    for (const auto& [number, place] : places_)
      result += " " + std::to_string(place);
    return result;
  }

  /// Empty, or what is wrong.
  std::string verdict() {
    std::string result;
    std::map<std::pair<std::int32_t, std::int32_t>, int> outcomes;
    for (const auto& x : s_.seen().since(0)) {
      outcomes[{x.player, x.op}] += is_outcome(x) ? 1 : 0;
      if (is_outcome(x) && !is_documented(x.text))
        result += "\n    op " + std::to_string(x.op) + ": " + x.text;
    }
    for (const auto& [player, o] : asked_)
      if (const auto n = outcomes[{player, o.op}]; n > 1 || (n == 0 && places_[player] != doomed_))
        result += in_words(step{{{player, o}}}) + " has " + std::to_string(n) + " outcomes";
    for (const auto& [number, reason] : s_.finish())
      if ((reason == "died") != (places_[number] == doomed_))
        result += "\n    player " + std::to_string(number) + " ends with " + reason;
    return result;
  }

private:
  void take(const step& orders, pid_t kill_meanwhile = 0) {
    for (const auto& [player, o] : orders.orders) {
      if (is_request(o))
        asked_.emplace_back(player, o);
      if (is_spawn(static_cast<verb>(o.what)))
        places_[o.other] = places_[player];
    }
    s_.give(orders);
    if (kill_meanwhile != 0)
      ::kill(kill_meanwhile, SIGKILL);
    s_.rest(3);
    s_.admit(orders);
    s_.rest(1);
  }

  program_writer writer_;
  std::mt19937_64 random_;
  stage s_;
  std::map<std::int32_t, std::int32_t> places_; ///< by player
  std::int32_t doomed_ = 0;                     ///< the place of the worker that is killed
  std::vector<std::pair<std::int32_t, order>> asked_;
};

} // namespace

TEST_CASE("a random program of actors shows the same inside one process and across workers") {
  const leak_guard guard;
  world w;
  const auto first = number_from("BULKHEAD_TEST_SEED", 1);
  const auto count = number_from("BULKHEAD_TEST_PROGRAMS", 40);
  int differences = 0;
  for (auto seed = first; seed != first + count && differences < 3; ++seed) {
    program_writer writer{seed, false};
    const auto places = places_of(writer);
    const auto reference = rehearse(w, writer);
    const auto difference = repeat(w, writer, reference);
    differences += difference.empty() ? 0 : 1;
    CHECK_MESSAGE(difference.empty(), "seed ", seed, ", places", places, ": ", difference);
  }
}

TEST_CASE(
  "the death of a worker shows as the documented errors, and each request has one outcome") {
  const leak_guard guard;
  world w;
  const auto first = number_from("BULKHEAD_TEST_SEED", 1);
  const auto count = number_from("BULKHEAD_TEST_PROGRAMS", 25);
  int wrong = 0;
  for (auto seed = first; seed != first + count && wrong < 3; ++seed) {
    casualty program{w, seed};
    if (!program.run())
      continue;
    const auto verdict = program.verdict();
    wrong += verdict.empty() ? 0 : 1;
    CHECK_MESSAGE(verdict.empty(), "seed ", seed, ", killed in ", program.doomed(), " of",
                  program.homes(), ":", verdict);
  }
}
