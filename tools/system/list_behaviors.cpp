#include "tools/system/list_behaviors.hpp"

#include "tools/system/message_json.hpp"

#include <bulkhead/error.hpp>

namespace bulkhead::systems {

std::vector<listed_behavior> list_behaviors() {
  std::vector<listed_behavior> all;
  for (const auto& name : detail::all_behaviors()) {
    try {
      const auto& known = detail::interface_of_behavior(name);
      listed_behavior one{name, words_of(known.arguments), {}};
      for (const auto& call : known.calls)
        one.messages.push_back(words_of(call.takes) + " -> " + words_of(call.gives));
      all.push_back(std::move(one));
    } catch (const config_error&) { // NOLINT(bugprone-empty-catch): nobody can start it
    }
  }
  return all;
}

} // namespace bulkhead::systems
