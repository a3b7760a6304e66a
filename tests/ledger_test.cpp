// ctest-link: bulkhead_engine_rabbitmq
// The submitter's ledger as a value: rules one by one, then random histories of submitter, nodes
// and a broker that loses, repeats and delivers late.
#include "engine/ledger/ledger.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <deque>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

using namespace bulkhead::engine;

namespace {

ledger_unit& add(ledger& l, std::uint32_t items, std::uint32_t retries) {
  return l.add(std::make_unique<ledger_unit>(items, retries));
}

} // namespace

TEST_CASE("a task is granted to one node, again under a new number, and to no other") {
  ledger l;
  auto& u = add(l, 3, 0);
  l.offer(u, 1);
  const std::vector<task_range> all{{1, 3}};
  auto first = l.ask(1, 1, all);
  CHECK(first.granted == all); // a batch that was thought lost came all the same
  CHECK(l.ask(2, 1, all).denied == all);
  CHECK(l.ask(1, 1, all).granted.empty()); // an old question
  CHECK(l.ask(1, 1, all).denied.empty());
  CHECK(l.ask(1, 2, all).granted == all);
  CHECK(!l.holds(1, 1, u, 1));
  CHECK(l.holds(1, 2, u, 1));
  CHECK(l.held_by(1) == 3);
  CHECK(!l.end(u, 1));
  CHECK(!l.end(u, 2));
  CHECK(l.end(u, 3));
  CHECK(l.empty());
  CHECK(l.find(1) == nullptr);
}

TEST_CASE("a question for a million tasks that nobody knows is answered at once") {
  ledger l;
  add(l, 2, 0);
  const std::vector<task_range> all{{1, 1U << 20}};
  const auto answer = l.ask(1, 1, all);
  CHECK(answer.granted == std::vector<task_range>{{1, 2}});
  CHECK(answer.denied == std::vector<task_range>{{3, (1U << 20) - 2}});
}

TEST_CASE("what a lost node says is late, and its tasks are the caller's") {
  ledger l;
  auto& u = add(l, 2, 1);
  const std::vector<task_range> all{{1, 2}};
  l.ask(7, 1, all);
  CHECK(l.lose(7) == all);
  CHECK(!l.holds(7, 1, u, 1));
  CHECK(ledger::may_retry(u, 1));
  l.pause(u, 1);
  CHECK(l.ask(8, 1, all).granted.empty());
  l.wait_again(u, 1);
  CHECK(l.ask(8, 2, all).granted == std::vector<task_range>{{1, 1}});
  CHECK(!ledger::may_retry(u, 1));
}

// A world of one submitter, some nodes and a broker. A node follows the rules of docs/cluster.md:
// it runs a task once for each grant that answers its last question, and repeats what it was not
// answered. Everything else may go wrong.
namespace {

struct question {
  node_number node;
  std::uint64_t number;
  std::uint64_t task;
};
struct grant {
  std::uint64_t number;
  std::uint64_t task;
  bool granted;
};
enum class word { done, failed, not_begun };
struct letter {
  node_number node;
  std::uint64_t number;
  std::uint64_t task;
  word what;
};

struct sim_node {
  enum class stage { held, asked, granted, said };
  struct work {
    stage at = stage::held;
    std::uint64_t number = 0;
    letter last{};
  };
  std::map<std::uint64_t, work> tasks;
  std::uint64_t number = 0;
  std::deque<grant> inbox;
  std::deque<std::pair<std::uint64_t, std::uint64_t>> settled; ///< task and number
  bool alive = true;
};

class world {
public:
  explicit world(unsigned seed) : random_(seed) {}

  void run(int steps) {
    for (int i = 0; i < 12; ++i) {
      const auto retries = static_cast<std::uint32_t>(pick(2) == 0 ? 0 : 2);
      const auto items = static_cast<std::uint32_t>(1 + pick(3));
      const auto first = add(ledger_, items, retries).first;
      for (std::uint64_t t = first; t < first + items; ++t)
        retries_[t] = retries;
    }
    for (int i = 0; i < 3; ++i)
      nodes_[++last_node_];
    for (int i = 0; i < steps; ++i)
      step(true);
    // Without faults from now on, all of it ends.
    for (int i = 0; i < 20'000 && !ledger_.empty(); ++i)
      step(false);
    REQUIRE(ledger_.empty());
    for (const auto& [task, retries] : retries_) {
      CHECK(outcomes_[task] == 1);
      CHECK(runs_[task] <= 1 + retries);
    }
  }

private:
  std::uint64_t pick(std::uint64_t n) { return random_() % n; }
  template <class C>
  typename C::iterator any(C& c) {
    return std::next(c.begin(), static_cast<std::ptrdiff_t>(pick(c.size())));
  }
  sim_node* living() {
    auto at = any(nodes_);
    return at->second.alive ? &at->second : nullptr;
  }

  void step(bool faults) {
    switch (pick(faults ? 14 : 10)) {
    case 0:
      return offer();
    case 1:
      return deliver_batch(faults);
    case 2:
      return ask();
    case 3:
    case 4:
      for (auto i = pick(20); i != 0; --i)
        submitter_reads(faults);
      return;
    case 5:
      return node_reads();
    case 6:
    case 7:
      return work();
    case 8:
      return say_again();
    case 9:
      return faults ? lose_node() : lose_the_dead();
    case 10:
      return kill();
    case 11:
      return break_connection();
    case 12:
      return lose_node();
    default:
      return; // nothing
    }
  }

  void offer() {
    ledger_.for_each([&](ledger_unit& u) {
      for (std::uint64_t t = u.first; t < u.first + u.tasks.size(); ++t)
        if (ledger::task_of(u, t).where == place::waiting && pick(3) == 0) {
          ledger_.offer(u, t);
          broker_.push_back(t);
        } else if (ledger::task_of(u, t).where == place::paused) {
          ledger_.wait_again(u, t);
        }
    });
  }

  void deliver_batch(bool faults) {
    auto* to = living();
    if (broker_.empty() || to == nullptr)
      return;
    const auto at = any(broker_);
    to->tasks.try_emplace(*at);
    // Twice where an acknowledgement was lost; again and again without harm.
    if (!faults || pick(4) != 0)
      broker_.erase(at);
    else if (pick(4) == 0)
      ledger_reoffers();
  }
  void ledger_reoffers() {
    ledger_.take_back_offers([](const ledger_unit&) { return true; });
  }

  void ask() {
    for (auto& [number, node] : nodes_)
      for (auto& [task, w] : node.tasks)
        if (node.alive
            && (w.at == sim_node::stage::held || (w.at == sim_node::stage::asked && pick(50) == 0))
            && pick(2) == 0) {
          w.at = sim_node::stage::asked;
          w.number = ++node.number;
          questions_.push_back({number, w.number, task});
        }
  }

  void submitter_reads(bool faults) {
    if (!questions_.empty()) {
      const auto q = questions_.front();
      const bool again = faults && pick(5) == 0; // redelivered later
      if (!again)
        questions_.pop_front();
      else
        questions_.push_back(q);
      if (again && pick(2) == 0)
        questions_.pop_front();
      const std::vector<task_range> one{{q.task, 1}};
      const auto known = given_up_.contains(q.node) ? node_number{0} : q.node;
      if (known != 0) {
        const auto a = ledger_.ask(known, q.number, one);
        for (const auto& r : a.granted)
          nodes_[q.node].inbox.push_back({q.number, r.first, true});
        for (const auto& r : a.denied)
          nodes_[q.node].inbox.push_back({q.number, r.first, false});
      } else {
        nodes_[q.node].inbox.push_back({q.number, q.task, false});
      }
    }
    if (!letters_.empty()) {
      const auto said = letters_.front();
      letters_.pop_front();
      if (faults && pick(5) == 0)
        letters_.push_back(said);
      take(said);
      nodes_[said.node].settled.emplace_back(said.task, said.number);
    }
  }

  void take(const letter& said) {
    auto* u = ledger_.find(said.task);
    if (u == nullptr || given_up_.contains(said.node)
        || !ledger_.holds(said.node, said.number, *u, said.task))
      return;
    if (said.what == word::not_begun)
      return ledger_.give_back(*u, said.task);
    if (said.what == word::failed && ledger::may_retry(*u, said.task))
      return ledger_.pause(*u, said.task);
    finish(*u, said.task);
  }

  void finish(ledger_unit& u, std::uint64_t task) {
    ++outcomes_[task];
    CHECK(outcomes_[task] == 1);
    ledger_.end(u, task);
  }

  void node_reads() {
    for (auto& [number, node] : nodes_) {
      while (!node.inbox.empty()) {
        const auto g = node.inbox.front();
        node.inbox.pop_front();
        const auto found = node.tasks.find(g.task);
        if (!node.alive || found == node.tasks.end() || found->second.at != sim_node::stage::asked
            || found->second.number != g.number)
          continue;
        if (g.granted)
          found->second.at = sim_node::stage::granted;
        else
          node.tasks.erase(found);
      }
      for (; !node.settled.empty(); node.settled.pop_front())
        if (const auto f = node.tasks.find(node.settled.front().first);
            f != node.tasks.end() && f->second.at == sim_node::stage::said
            && f->second.number == node.settled.front().second)
          node.tasks.erase(f);
    }
  }

  void work() {
    auto* node = living();
    if (node == nullptr)
      return;
    for (auto& [task, w] : node->tasks)
      if (w.at == sim_node::stage::granted && pick(2) == 0) {
        const auto what = static_cast<word>(pick(3));
        if (what != word::not_begun) {
          ++runs_[task];
          CHECK(runs_[task] <= 1 + retries_[task]);
        }
        w.at = sim_node::stage::said;
        w.last = {number_of(*node), w.number, task, what};
        letters_.push_back(w.last);
      }
  }

  node_number number_of(const sim_node& n) const {
    for (const auto& [number, node] : nodes_)
      if (&node == &n)
        return number;
    return 0;
  }

  void say_again() {
    for (auto& [number, node] : nodes_)
      for (auto& [task, w] : node.tasks)
        if (node.alive && w.at == sim_node::stage::said && pick(10) == 0)
          letters_.push_back(w.last);
  }

  // Also of one that lives: the submitter cannot know. It is then a node that nobody answers, and
  // one in its place has a number of its own.
  void lose_node() {
    if (pick(8) != 0)
      return;
    give_up(any(nodes_)->first);
  }
  void lose_the_dead() {
    for (auto& [number, node] : nodes_)
      if (!node.alive && !given_up_.contains(number))
        return give_up(number);
    ledger_.take_back_offers(
      [](const ledger_unit&) { return true; }); // what a node has taken along with it
  }
  void give_up(node_number number) {
    if (!given_up_.insert(number).second)
      return;
    for (const auto& r : ledger_.lose(number))
      for (auto t = r.first; t != r.end(); ++t) {
        auto* u = ledger_.find(t);
        if (ledger::may_retry(*u, t))
          ledger_.pause(*u, t);
        else
          finish(*u, t);
      }
    nodes_[++last_node_];
  }

  void kill() {
    if (pick(6) != 0)
      return;
    auto& node = any(nodes_)->second;
    for (const auto& [task, w] : node.tasks)
      if (w.at == sim_node::stage::held)
        broker_.push_back(task); // not acknowledged
    node.alive = false;
    node.tasks.clear();
  }

  void break_connection() {
    if (pick(6) != 0)
      return;
    broker_.clear();
    questions_.clear();
    letters_.clear();
    for (auto& [number, node] : nodes_) {
      node.inbox.clear();
      node.settled.clear();
    }
    ledger_.take_back_offers([](const ledger_unit&) { return true; });
  }

  std::mt19937 random_;
  ledger ledger_;
  std::vector<std::uint64_t> broker_;
  std::deque<question> questions_;
  std::deque<letter> letters_;
  std::map<node_number, sim_node> nodes_;
  std::set<node_number> given_up_;
  node_number last_node_ = 0;
  std::map<std::uint64_t, std::uint32_t> retries_;
  std::map<std::uint64_t, std::uint32_t> runs_;
  std::map<std::uint64_t, std::uint32_t> outcomes_;
};

} // namespace

TEST_CASE("no history runs a task too often, or ends it twice or never") {
  const char* wanted = std::getenv("BULKHEAD_LEDGER_SEEDS");
  const auto seeds = wanted != nullptr ? std::atoi(wanted) : 300;
  for (int seed = 1; seed <= seeds; ++seed) {
    CAPTURE(seed);
    world{static_cast<unsigned>(seed)}.run(400);
  }
}
