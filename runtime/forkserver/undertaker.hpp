#pragma once

#include <sys/resource.h>
#include <sys/types.h>

#include <functional>
#include <unordered_set>

namespace bulkhead::runtime {

/// Reaps the forkserver's workers and kills what their tasks left behind. Workers are subreapers
/// of their own, so a child of the forkserver that is neither a worker nor a preload's was left by
/// a dead one. Single-threaded; signals only processes that are unreaped children, so no number is
/// reused.
class undertaker {
public:
  using report = std::function<void(pid_t worker, int status, const rusage& usage)>;

  void add(pid_t worker) { workers_.insert(worker); }

  /// The children of this moment that are no workers belong to the forkserver, as a preload's do:
  /// they live until bury_all. Call it while no worker has left anything behind: after a preload.
  void spare_present();

  /// Reaps everything that has ended; call it after each SIGCHLD. A worker's process group and
  /// orphans are killed before the worker is reaped and reported. Never blocks.
  void reap(const report& tell);

  /// Kills and reaps all within about two seconds (a process in uninterruptible sleep may stay).
  void bury_all() noexcept;

private:
  bool kill_strangers() const;
  std::unordered_set<pid_t> workers_;
  std::unordered_set<pid_t> residents_; ///< what preloads started
};

} // namespace bulkhead::runtime
