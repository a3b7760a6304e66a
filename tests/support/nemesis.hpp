#pragma once

#include "runtime/system/unique_fd.hpp"

#include <bulkhead/options.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <sys/types.h>

namespace bulkhead::tests {

/// A process of its own that signals a random worker of a pool again and again, each kill after
/// the one before it has been replaced. It knows only the pids that the pool's events tell it, and
/// signals through pidfds. Make it before the pool, and give `feed()` to pool_options::on_event.
class nemesis {
public:
  struct plan {
    std::chrono::milliseconds interval{20}; ///< of service before a strike; longer under sanitizers
    std::uint32_t seed = 1;
    int kill_percent = 100; ///< the rest: SIGSTOP
  };
  explicit nemesis(plan what);
  ~nemesis() { stop(); }
  nemesis(const nemesis&) = delete;
  nemesis& operator=(const nemesis&) = delete;

  std::function<void(const pool_event&)> feed() const;

  /// Ends it; returns how many signals it sent.
  std::uint64_t stop();

private:
  [[noreturn]] static void run(plan what, int words, int report);

  pid_t pid_ = 0;
  runtime::unique_fd words_;
  runtime::unique_fd report_;
  std::uint64_t sent_ = 0;
};

} // namespace bulkhead::tests
