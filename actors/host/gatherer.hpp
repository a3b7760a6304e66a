#pragma once

#include "actors/caf/proxy.hpp"

#include <bulkhead/spawn_pool.hpp>

#include <mutex>
#include <vector>

namespace bulkhead::actors {

/// Stands in for a requester whose request went to several instances: takes their answers and
/// gives the one answer. Lives as long as an answer is outstanding.
class gatherer final : public proxy_base {
public:
  gatherer(caf::actor_config& config, caf::strong_actor_ptr requester, caf::message_id mid,
           std::size_t parts, const distribution& how);

  void on_send(caf::strong_actor_ptr sender, caf::message_id mid, caf::message msg) override;
  void on_link(caf::abstract_actor*, bool) override {}

  /// The id of the part's request.
  static caf::message_id part_id(std::size_t part);

private:
  void finish(caf::message answer);
  caf::message joined(const std::vector<caf::message>& all) const;

  const caf::strong_actor_ptr requester_;
  const caf::message_id mid_;
  const distribution how_;
  std::mutex mutex_;
  std::vector<caf::message> answers_;
  std::vector<bool> has_;
  std::size_t left_;
  bool done_ = false;
};

} // namespace bulkhead::actors
