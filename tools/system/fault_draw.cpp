#include "tools/system/fault_draw.hpp"

#include <bulkhead/testing/faults.hpp>

#include <algorithm>

namespace bulkhead::systems {

fault_draw::fault_draw(const system_plan& plan) : random_(plan.seed) {
  for (const auto& each : plan.faults)
    if (each.kind != fault_kind::channel)
      faults_.push_back({each});
}

// Each fault that may strike draws at each message, whether or not another has struck: so that one
// fault more does not move the others.
bool fault_draw::hits(aimed& each) {
  const auto& f = each.what;
  ++each.messages;
  if (f.probability > 0)
    return std::uniform_real_distribution{0.0, 1.0}(random_) < f.probability;
  if (each.messages < f.nth)
    return false;
  return each.messages == f.nth || (f.again != 0 && (each.messages - f.nth) % f.again == 0);
}

fault_draw::strike fault_draw::next(const std::string& actor) {
  const std::lock_guard lock{mutex_};
  strike now;
  for (auto& each : faults_) {
    if ((!each.what.actor.empty() && each.what.actor != actor) || !hits(each))
      continue;
    switch (each.what.kind) {
    case fault_kind::before_message:
      now.kill_before = true;
      break;
    case fault_kind::before_reply:
      now.kill_unanswered = true;
      break;
    case fault_kind::after_reply:
      now.kill_after = true;
      break;
    default:
      now.hang = std::max(now.hang, each.what.hang);
    }
  }
  return now;
}

void inject_channel_faults(const system_plan& plan) {
  testing::channel_faults all;
  all.seed = plan.seed;
  for (const auto& each : plan.faults)
    if (each.kind == fault_kind::channel) {
      all.drop = std::max(all.drop, each.drop);
      all.delay = std::max(all.delay, each.delay);
      all.corrupt = std::max(all.corrupt, each.corrupt);
    }
  testing::inject(all);
}

} // namespace bulkhead::systems
