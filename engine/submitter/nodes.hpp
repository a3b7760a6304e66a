#pragma once

#include "engine/ledger/ledger.hpp"

#include <bulkhead/detail/duration.hpp>
#include <bulkhead/pool_info.hpp>

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace bulkhead::engine {

using detail::time_point;

/// The nodes that a submitter has heard of, and when. A node is lost after a whole lease without a
/// word, of which only time counts in which it could have been heard. A plain value.
class nodes {
public:
  struct node {
    node_number number = 0;
    time_point heard;
    std::chrono::system_clock::time_point since;
    std::uint64_t done = 0;
    std::chrono::nanoseconds busy{};
  };

  explicit nodes(std::chrono::nanoseconds lease) noexcept : lease_(lease) {}

  /// The node said something. `is_new` where it is not known, or was lost.
  node& hear(const std::string& name, time_point now, bool& is_new);
  /// It left in order, or was lost.
  void forget(const std::string& name) { known_.erase(name); }
  /// Nobody could be heard until now.
  void excuse_all(time_point now) noexcept;
  /// Names of those to be given up.
  std::vector<std::string> lost(time_point now) const;

  const node* find(const std::string& name) const noexcept;
  const std::map<std::string, node>& all() const noexcept { return known_; }
  std::map<std::string, node>& all() noexcept { return known_; }
  std::chrono::nanoseconds lease() const noexcept { return lease_; }

private:
  std::chrono::nanoseconds lease_;
  std::map<std::string, node> known_;
  node_number last_ = 0;
};

} // namespace bulkhead::engine
