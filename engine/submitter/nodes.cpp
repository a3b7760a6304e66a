#include "engine/submitter/nodes.hpp"

namespace bulkhead::engine {

nodes::node& nodes::hear(const std::string& name, time_point now, bool& is_new) {
  auto [found, made] = known_.try_emplace(name);
  if (made) {
    found->second.number = ++last_;
    found->second.since = std::chrono::system_clock::now();
  }
  is_new = made;
  found->second.heard = now;
  return found->second;
}

void nodes::excuse_all(time_point now) noexcept {
  for (auto& [name, n] : known_)
    n.heard = now;
}

std::vector<std::string> nodes::lost(time_point now) const {
  std::vector<std::string> names;
  for (const auto& [name, n] : known_)
    if (now - n.heard > lease_)
      names.push_back(name);
  return names;
}

const nodes::node* nodes::find(const std::string& name) const noexcept {
  const auto found = known_.find(name);
  return found == known_.end() ? nullptr : &found->second;
}

} // namespace bulkhead::engine
