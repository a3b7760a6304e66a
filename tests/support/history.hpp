#pragma once

#include <bulkhead/failure.hpp>
#include <bulkhead/outcome.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace bulkhead::tests {

/// What workers did, in memory that outlives them: a file in a private directory, mapped shared by
/// the host and by every worker. Workers write it, the checker reads it; the pool knows nothing of
/// it, so it is a witness of its own.
class witness {
public:
  /// Room for so many items, and the words below. Removes the file at the end.
  explicit witness(std::size_t items);
  ~witness();
  witness(const witness&) = delete;
  witness& operator=(const witness&) = delete;

  /// To be given to `open` in a worker: `options.initializer = call(&witness::open, w.path())`.
  const std::string& path() const noexcept { return path_; }

  std::size_t items() const noexcept { return items_; }
  unsigned starts(std::size_t item) const noexcept;
  unsigned ends(std::size_t item) const noexcept;
  /// CLOCK_MONOTONIC, ns, of the latest start; 0: none.
  std::int64_t last_start(std::size_t item) const noexcept;
  void forget() noexcept;

  /// In a worker.
  static void open(const std::string& path);
  static void start(std::size_t item) noexcept;
  static void end(std::size_t item) noexcept;
  /// True for the first caller in any process.
  static bool first_of_all() noexcept { return arrival() == 0; }
  /// 0 for the first caller in any process, 1 for the second, and so on.
  static std::uint32_t arrival() noexcept;

private:
  struct record;
  struct memory;
  const record& at(std::size_t item) const noexcept;

  std::string directory_;
  std::string path_;
  std::size_t items_;
  memory* map_ = nullptr;
  std::size_t bytes_ = 0;
};

/// What the host saw, and the check of both against the promises: every submitted item has exactly
/// one outcome; nothing starts after its outcome; nothing runs twice unless it was retried; a value
/// was computed; what never started is not failed by a death, and says so when it is cancelled.
class history {
public:
  /// Who may answer an item. What is addressed to one process fails with it, begun or not.
  enum class taker { any_worker, one_process };

  explicit history(taker who = taker::any_worker) : taker_(who) {}

  /// `attempts`: how often an item may start. Thread-safe, as all calls.
  void submitted(std::size_t item, std::size_t attempts = 1);

  template <class T>
  void ended(std::size_t item, const outcome<T>& o) {
    note(item, o.has_value() ? nullptr : &o.failure());
  }
  void ended_with_value(std::size_t item) { note(item, nullptr); }
  void failed(std::size_t item, const failure& f) { note(item, &f); }

  /// One line a violation, at most twenty; empty: all promises kept.
  std::string violations(const witness& seen) const;

  std::size_t count(failure_kind kind) const;
  std::size_t values() const;
  /// Ended as worker_died without a mark of a start: died between the pool's claim and the mark.
  std::size_t deaths_without_start(const witness& seen) const;

private:
  struct entry {
    std::size_t attempts = 1;
    std::size_t submits = 0;
    std::size_t outcomes = 0;
    bool value = false;
    failure_kind kind = failure_kind::task_exception;
    bool may_have_executed = false;
    std::int64_t when = 0;
  };
  void note(std::size_t item, const failure* f);

  const taker taker_;
  mutable std::mutex mutex_;
  std::map<std::size_t, entry> entries_;
};

} // namespace bulkhead::tests
