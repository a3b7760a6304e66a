#pragma once

#include <chrono>
#include <map>
#include <string>
#include <vector>

namespace bulkhead::testing {

/// Finds what a piece of code leaves behind in this process: children of any depth (zombies too),
/// descriptors, memfd mappings, threads, and entries of /dev/shm. Knows no test framework:
///
///     bulkhead::testing::leak_guard guard;
///     use_some_pools();
///     assert(guard.leaked() == "");
///
/// The library itself may keep one child, four descriptors and a thread between pools, made by
/// the first pool: use a pool once before the guard is constructed.
class leak_guard {
public:
  /// Records what the process holds now.
  leak_guard();

  /// What is there now and was not at construction, one line each; empty: nothing. What goes
  /// away within `patience` is no leak. Blocks at most that long, and only where there is one.
  std::string leaked(std::chrono::nanoseconds patience = std::chrono::seconds{10}) const;

private:
  /// Kind and name without numbers that differ from one incarnation to the next (pids, inodes)
  /// to descriptions for people: a replaced forkserver is no leak, a second one is.
  using holdings = std::map<std::string, std::vector<std::string>>;

  static holdings current();
  static std::string difference(const holdings& before, const holdings& now);

  holdings before_;
};

} // namespace bulkhead::testing
