#pragma once

#include <bulkhead/pool_info.hpp>

#include <cstddef>
#include <cstdint>
#include <random>
#include <string>

namespace bulkhead::tests::soak {

/// What all rounds have done so far.
struct totals {
  std::size_t rounds = 0;
  std::size_t tasks = 0;
  std::size_t values = 0;
  std::size_t processes = 0;
  std::size_t requests = 0;
  std::uint64_t signals = 0;
  std::uint64_t restarts = 0;
  std::uint64_t lies = 0;
};

// Each plays one round and returns the promises that were broken, a line each; empty: none.
std::string task_round(std::mt19937& random, totals& sum);
std::string map_round(std::mt19937& random, totals& sum);
std::string process_round(std::mt19937& random, totals& sum);
std::string actor_round(std::mt19937& random, totals& sum);

/// Empty where each task of a pool at rest has exactly one outcome in its counts.
inline std::string unbalanced(const pool_stats& s) {
  if (s.submitted == s.succeeded + s.failed + s.cancelled && s.queued == 0 && s.in_flight == 0)
    return {};
  return "at rest: submitted " + std::to_string(s.submitted) + ", succeeded "
         + std::to_string(s.succeeded) + ", failed " + std::to_string(s.failed) + ", cancelled "
         + std::to_string(s.cancelled) + ", queued " + std::to_string(s.queued) + ", in flight "
         + std::to_string(s.in_flight) + "\n";
}

} // namespace bulkhead::tests::soak
