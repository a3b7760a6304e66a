#pragma once

#include <bulkhead/observe/snapshot.hpp>
#include <bulkhead/pool.hpp>

#include <memory>
#include <string>
#include <vector>

namespace bulkhead::observe {

namespace detail {
class watched;
}

/// Looks on at a pool for as long as it lives, from a thread of its own: samples its workers, and
/// counts outcomes by task name. Several watches of one pool share what they see. Copies too. The
/// pool may end before. Thread-safe.
class watch {
public:
  /// Throws config_error where the pool has start_method::eager, std::system_error where there is
  /// no thread to be had.
  explicit watch(const pool& of);

  /// What is known now. The lists of slices, failures, events and messages begin behind the numbers
  /// of `since`; of a default one with the oldest that are kept.
  snapshot now() const { return now(cursor{}); }
  struct cursor {
    std::uint64_t slice = 0;
    std::uint64_t failure = 0;
    std::uint64_t event = 0;
    std::uint64_t message = 0;
  };
  snapshot now(const cursor& since) const;

  /// For what writes or serves it.
  const std::shared_ptr<detail::watched>& shared() const noexcept { return shared_; }

private:
  std::shared_ptr<detail::watched> shared_;
};

/// A watch of each pool of this process that is looked at now.
std::vector<snapshot> all_watched();

/// The figures of all pools of this process that are looked at, in the text format of Prometheus.
/// Empty where none is. Thread-safe.
std::string metrics_text();

} // namespace bulkhead::observe
