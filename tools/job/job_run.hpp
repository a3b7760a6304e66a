#pragma once

#include "tools/console/job_log.hpp"
#include "tools/console/progress.hpp"
#include "tools/console/report.hpp"
#include "tools/console/result_file.hpp"
#include "tools/console/signals.hpp"
#include "tools/job/completions.hpp"
#include "tools/job/feeder.hpp"
#include "tools/job/journal.hpp"
#include "tools/job/reducer.hpp"
#include "tools/job/sight.hpp"

#include <bulkhead/pool.hpp>

#include <memory>
#include <optional>

namespace bulkhead::command {

/// Runs one job in a pool of its own. The calling thread feeds inputs, takes outcomes and events,
/// shows progress and watches for signals; it waits only in poll, also for inputs that are still to
/// come.
///
/// The first Ctrl-C, SIGTERM, SIGHUP or SIGQUIT ends the feeding and withdraws what has not
/// started; what runs may finish within pool.grace. The second one kills the workers at once.
class job_run {
public:
  /// What "-" means as input and as output of the job.
  struct streams {
    int input = -1;
    int output = -1;
  };

  /// Makes the pool. Throws config_error and std::system_error; nothing is left behind then.
  job_run(const config::job& job, signals& interrupts, progress& shown, const job_log& log,
          streams standard, const sight_request& sight);

  /// Returns when all tasks have their outcome and the pool has ended.
  report run();

private:
  using clock = std::chrono::steady_clock;

  bool finished() const;
  void wait();
  void write_results();
  void finish_results();
  std::string waited_for() const;
  void handle_signal();
  void interrupt(int signal);
  void withdraw();
  void cut_off();
  void take_outcomes();
  void on_outcome(completion c);
  void on_map_outcome(completion c);
  void on_event(const pool_event& event);
  void tell(job_log::level what, const std::string& text, json more = json::object());
  void note_failure(failed_task task);
  void take_snapshot();
  void end_pool();
  advance now() const;

  const config::job& job_;
  signals& interrupts_;
  progress& shown_;
  const job_log& log_;
  report report_;
  const detail::task_entry& task_;
  std::shared_ptr<completions> arrivals_;
  result_file results_;
  result_file failed_;               ///< inputs without a result, in the order of their ends
  std::unique_ptr<journal> journal_; ///< null: none is wanted
  pool pool_;
  sight sight_;
  feeder feeder_;
  std::optional<reducer> reducer_;
  worker_totals workers_;
  clock::time_point started_ = clock::now();
  clock::time_point cut_off_at_ = clock::time_point::max();
  clock::time_point snapshot_at_{};
  std::size_t deaths_told_ = 0;
  bool unwritable_ = false; ///< an output or the journal failed, and what was to come was withdrawn
  std::uint64_t oldest_ = 0; ///< the first input without outcome or to come, and since when it is
  clock::time_point oldest_since_ = clock::now();
};

} // namespace bulkhead::command
