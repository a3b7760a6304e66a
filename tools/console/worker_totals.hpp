#pragma once

#include <bulkhead/options.hpp>
#include <bulkhead/pool_info.hpp>

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace bulkhead::command {

/// A place for a worker in the table: its process and the ones it replaced.
struct worker_row {
  std::size_t worker = 0; ///< id of the last one here
  pid_t pid = 0;
  std::uint64_t tasks = 0;         ///< of all of them
  std::chrono::nanoseconds busy{}; ///< of all of them
  std::uint64_t restarts = 0;      ///< replaced because they died
  std::uint64_t recycled = 0;      ///< replaced because the pool wanted it
  std::string state;               ///< of the last one: a worker_state, or how it ended
  double progress = 0; ///< of its task by this_task::progress; where it died: when last looked at
};

/// Adds up what the workers did, over restarts and recycling. Fed by events and snapshots in the
/// order in which they came. Pure.
class worker_totals {
public:
  /// `places`: how many workers the pool has at a time.
  explicit worker_totals(std::size_t places) noexcept : places_(places) {}

  void on_event(const pool_event& event);
  void on_snapshot(const std::vector<worker_info>& workers);

  /// One row for each place, in the order in which they were taken first.
  const std::vector<worker_row>& rows() const noexcept { return rows_; }

  /// How far the running tasks are that have said so.
  std::vector<double> running() const;

private:
  struct seat {
    std::size_t row = 0;
    std::uint64_t tasks = 0; ///< already counted in the row
    std::chrono::nanoseconds busy{};
  };

  seat& seat_of(std::size_t worker, pid_t pid);
  void count(seat& s, std::uint64_t tasks, std::chrono::nanoseconds busy);
  void leave(const pool_event& event);
  std::size_t place_for_newcomer();
  bool is_taken(std::size_t row) const;

  std::size_t places_;
  std::vector<worker_row> rows_;
  std::vector<std::size_t> vacant_; ///< rows whose worker has ended
  std::map<std::size_t, seat> seats_;
};

} // namespace bulkhead::command
