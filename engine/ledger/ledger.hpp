#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <vector>

namespace bulkhead::engine {

/// Tasks with consecutive numbers.
struct task_range {
  std::uint64_t first = 0;
  std::uint32_t count = 0;

  std::uint64_t end() const noexcept { return first + count; }
  friend bool operator==(const task_range&, const task_range&) = default;
};

/// Appends a task to ranges in ascending order, the last of which may grow.
void append(std::vector<task_range>& to, std::uint64_t task);

/// A node as the ledger knows it: one life of one process. 0 is none.
using node_number = std::uint32_t;

/// Where a task is.
enum class place : std::uint8_t {
  waiting, ///< at the submitter, or in batches that do not count any more
  offered, ///< in a batch at the broker, or at a node that has not asked for it yet
  granted, ///< to one node, which alone may run it
  paused,  ///< between two attempts
  ended,   ///< it has its outcome
};

/// Tasks that were submitted together. Who keeps more about them derives from it.
struct ledger_unit {
  struct task {
    place where = place::waiting;
    std::uint16_t attempt = 1;
    node_number node = 0;     ///< while granted
    std::uint64_t number = 0; ///< of the question that the grant answers
  };

  ledger_unit(std::uint32_t items, std::uint32_t more_attempts)
    : tasks(items), retries(more_attempts) {}
  ledger_unit(const ledger_unit&) = delete;
  ledger_unit& operator=(const ledger_unit&) = delete;
  virtual ~ledger_unit() = default;

  std::uint64_t first = 0; ///< set by ledger::add
  std::vector<task> tasks;
  std::uint32_t retries; ///< of each task; 0: it is not idempotent
  std::uint32_t ended = 0;
};

/// What a node asked for, sorted.
struct ask_answer {
  std::vector<task_range> granted;
  std::vector<task_range> denied;
};

/// Every task that a submitter has given to an engine, and who may run it. The one place where that
/// is decided, whatever the broker loses, delivers twice or delivers late:
///
/// - A task runs only at the node that holds its grant, and has one holder at most.
/// - A grant ends by the holder's own word that it has not begun the task (give_back), by its
///   outcome, or by the loss of the node. In the last case a task that is not idempotent ends.
/// - A word about a task counts only from its holder, and only under the number of the question
///   that the grant answered: what an older grant brings is late.
///
/// A plain value without clock, lock or input and output. The rules are in docs/cluster.md, their
/// model in tests/models/reach.pml.
class ledger {
public:
  /// Takes the tasks in; they wait. Numbers begin with 1 and never come again.
  ledger_unit& add(std::unique_ptr<ledger_unit> unit);

  /// Null where no task of that number is unanswered in a unit with unanswered tasks.
  ledger_unit* find(std::uint64_t task) noexcept;
  static ledger_unit::task& task_of(ledger_unit& u, std::uint64_t task) noexcept {
    return u.tasks[static_cast<std::size_t>(task - u.first)];
  }

  /// It was put into a batch. Only of a waiting task.
  void offer(ledger_unit& u, std::uint64_t task) noexcept;

  /// A node asks which of these it may run, with a number above those of its earlier questions;
  /// else nothing is answered: it is an old question that came again. The number is 0 for no
  /// question.
  ask_answer ask(node_number node, std::uint64_t number, std::span<const task_range> wanted);

  /// Whether what the node says about this task under that number counts.
  bool holds(node_number node, std::uint64_t number, const ledger_unit& u,
             std::uint64_t task) const noexcept;

  /// The holder has not begun it, and will not: it waits again.
  void give_back(ledger_unit& u, std::uint64_t task) noexcept;

  /// Whether one more attempt is left.
  static bool may_retry(const ledger_unit& u, std::uint64_t task) noexcept;
  /// It pauses before its next attempt; only where one is left.
  void pause(ledger_unit& u, std::uint64_t task) noexcept;
  /// The pause is over.
  void wait_again(ledger_unit& u, std::uint64_t task) noexcept;

  /// It has its outcome. Once; returns true where the unit went with it: `u` is gone.
  bool end(ledger_unit& u, std::uint64_t task) noexcept;

  /// The batch came back: it waits again. Only of a task that is offered.
  void take_back_offer(ledger_unit& u, std::uint64_t task) noexcept;
  /// What was offered and not granted waits again, in all units that `which` names: the broker may
  /// have lost it.
  template <class F>
  std::vector<task_range> take_back_offers(F&& which) {
    std::vector<task_range> back;
    for (auto& [first, u] : units_)
      if (which(*u))
        take_back_offers_of(*u, back);
    return back;
  }

  /// The node is given up: what it says from now on is late. Its tasks, still granted, which the
  /// caller ends or pauses at once.
  std::vector<task_range> lose(node_number node);

  /// Grants that the node holds.
  std::uint64_t held_by(node_number node) const noexcept;

  std::uint64_t waiting() const noexcept { return counts_[0]; }
  std::uint64_t offered() const noexcept { return counts_[1]; }
  std::uint64_t granted() const noexcept { return counts_[2]; }
  std::uint64_t paused() const noexcept { return counts_[3]; }
  bool empty() const noexcept { return units_.empty(); }

  /// f(unit) for each; `f` must not add or end.
  template <class F>
  void for_each(F&& f) {
    for (auto& [first, u] : units_)
      f(*u);
  }

private:
  struct holder {
    std::uint64_t last_number = 0;
    std::uint64_t held = 0;
  };

  void move(ledger_unit::task& t, place to) noexcept;
  void take_back_offers_of(ledger_unit& u, std::vector<task_range>& back);
  std::uint64_t end_of_unknown(std::uint64_t task, std::uint64_t end) const noexcept;
  bool grant(ledger_unit& u, std::uint64_t task, node_number to, std::uint64_t number);

  std::map<std::uint64_t, std::unique_ptr<ledger_unit>> units_; ///< by first task
  std::map<node_number, holder> nodes_;
  std::uint64_t next_ = 1;
  std::uint64_t counts_[5] = {};
};

} // namespace bulkhead::engine
