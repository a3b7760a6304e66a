// ctest-link: bulkhead_engine_rabbitmq
// The submitter's real ledger against ten thousand simulated nodes that die and stand still, and a
// broker that loses and repeats. More tasks by BULKHEAD_SCALE_TASKS (100000000 takes some minutes),
// another course by BULKHEAD_SCALE_SEED.
#include "engine/ledger/ledger.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <deque>
#include <memory>
#include <queue>
#include <random>
#include <span>
#include <vector>

using namespace bulkhead::engine;

namespace {

std::uint64_t number_of(const char* variable, std::uint64_t otherwise) {
  const char* set = std::getenv(variable);
  return set != nullptr ? std::strtoull(set, nullptr, 10) : otherwise;
}

constexpr std::uint32_t nodes = 10'000;
constexpr std::uint32_t unit_tasks = 100;
constexpr std::uint32_t batch_tasks = 10;
constexpr std::uint64_t window =
  std::uint64_t{2} * nodes * batch_tasks; ///< tasks that are not over
constexpr std::uint64_t lease = 10'000;   ///< ms

std::uint32_t retries_of(std::uint64_t task) { return ((task - 1) / unit_tasks) % 2 == 0 ? 0 : 3; }

class world {
public:
  world(std::uint64_t total, std::uint64_t seed)
    : total_(total), random_(seed), runs_(total + 1), outcomes_(total + 1) {
    for (std::uint32_t i = 0; i < nodes; ++i)
      idle_.push_back({++last_node_, 0});
  }

  void run() {
    while (ended_ != total_) {
      refill();
      hand_out();
      if (events_.empty()) { // what is offered and never came
        offer_all(ledger_.take_back_offers([](const ledger_unit&) { return true; }));
        continue;
      }
      auto next = events_.top();
      events_.pop();
      now_ = next.at;
      next.is_loss ? lose(next) : report(next);
    }
  }

  std::uint64_t total_;
  std::uint64_t now_ = 0; ///< ms
  std::uint64_t deaths_ = 0;
  std::uint64_t late_ = 0;
  std::uint64_t lost_ = 0; ///< tasks that ended with their node
  std::uint64_t repeated_ = 0;

  bool is_empty() const { return ledger_.empty(); }
  /// Tasks with another number of outcomes than one, or more runs than they may have.
  std::uint64_t wrong() const {
    std::uint64_t count = 0;
    for (std::uint64_t task = 1; task <= total_; ++task)
      count += outcomes_[task] != 1 || runs_[task] > 1 + retries_of(task) ? 1 : 0;
    return count;
  }

private:
  struct node {
    node_number id;
    std::uint64_t number;
  };
  struct event {
    std::uint64_t at = 0;
    node who{};
    bool is_loss = false;
    bool comes_back = false;
    std::vector<task_range> tasks;

    friend bool operator<(const event& a, const event& b) { return a.at > b.at; }
  };

  bool one_in(std::uint64_t n) { return random_() % n == 0; }

  void refill() {
    while (added_ - ended_ < window && added_ < total_) {
      const auto count =
        static_cast<std::uint32_t>(std::min<std::uint64_t>(unit_tasks, total_ - added_));
      auto& u = ledger_.add(std::make_unique<ledger_unit>(count, retries_of(added_ + 1)));
      added_ += count;
      offer_all({{u.first, count}});
    }
  }

  void offer_all(const std::vector<task_range>& ranges) {
    for (const auto& range : ranges)
      for (auto first = range.first; first < range.end(); first += batch_tasks) {
        const auto count =
          static_cast<std::uint32_t>(std::min<std::uint64_t>(batch_tasks, range.end() - first));
        for (auto task = first; task < first + count; ++task)
          ledger_.offer(*ledger_.find(task), task);
        if (!one_in(1000))
          queue_.push_back({first, count});
        if (one_in(1000)) {
          queue_.push_back({first, count});
          ++repeated_;
        }
      }
  }

  void hand_out() {
    while (!idle_.empty() && !queue_.empty()) {
      auto who = idle_.back();
      const auto wanted = queue_.front();
      queue_.pop_front();
      auto answer = ledger_.ask(who.id, ++who.number, {&wanted, 1});
      idle_.back() = who;
      if (answer.granted.empty())
        continue;
      idle_.pop_back();
      begin(who, std::move(answer.granted));
    }
  }

  void begin(node who, std::vector<task_range> tasks) {
    for (const auto& range : tasks)
      for (auto task = range.first; task < range.end(); ++task)
        ++runs_[task];
    const auto time = 1 + random_() % 200;
    if (one_in(5000)) { // it dies, and another one comes
      events_.push({now_ + lease, who, true, false, {}});
      idle_.push_back({++last_node_, 0});
    } else if (one_in(5000)) { // it stands still, and speaks later
      events_.push({now_ + lease, who, true, true, {}});
      events_.push({now_ + lease + time, who, false, true, std::move(tasks)});
    } else {
      events_.push({now_ + time, who, false, true, std::move(tasks)});
    }
  }

  void end(ledger_unit& u, std::uint64_t task) {
    ++outcomes_[task];
    ++ended_;
    ledger_.end(u, task);
  }

  void report(const event& e) {
    for (const auto& range : e.tasks)
      for (auto task = range.first; task < range.end(); ++task) {
        auto* u = ledger_.find(task);
        if (u != nullptr && ledger_.holds(e.who.id, e.who.number, *u, task))
          end(*u, task);
        else
          ++late_;
      }
    idle_.push_back(e.who);
  }

  void lose(const event& e) {
    ++deaths_;
    for (const auto& range : ledger_.lose(e.who.id))
      for (auto task = range.first; task < range.end(); ++task) {
        auto& u = *ledger_.find(task);
        if (ledger::may_retry(u, task)) {
          ledger_.pause(u, task);
          ledger_.wait_again(u, task);
          offer_all({{task, 1}});
          continue;
        }
        ++lost_;
        end(u, task);
      }
  }

  std::mt19937_64 random_;
  ledger ledger_;
  std::vector<std::uint8_t> runs_;
  std::vector<std::uint8_t> outcomes_;
  std::vector<node> idle_;
  std::deque<task_range> queue_;
  std::priority_queue<event> events_;
  std::uint64_t added_ = 0;
  std::uint64_t ended_ = 0;
  node_number last_node_ = 0;
};

} // namespace

TEST_CASE(
  "with ten thousand nodes and faults each task has one outcome and runs as often as it may") {
  const auto tasks = number_of("BULKHEAD_SCALE_TASKS", 1'000'000);
  const auto begin = std::chrono::steady_clock::now();
  world w(tasks, number_of("BULKHEAD_SCALE_SEED", 1));
  w.run();
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  CHECK(w.is_empty());
  CHECK(w.wrong() == 0);
  CHECK(w.deaths_ != 0);
  CHECK(w.late_ != 0);
  MESSAGE(tasks << " tasks in " << took.count() << " s, " << w.now_ / 1000 << " s of the nodes; "
                << w.deaths_ << " nodes given up, " << w.lost_ << " tasks ended with them, "
                << w.late_ << " late words, " << w.repeated_ << " batches twice");
}
