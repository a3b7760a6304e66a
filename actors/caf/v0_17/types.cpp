#include "actors/caf/types.hpp"

namespace bulkhead::actors {

void enter_type(const detail::message_type&) {}

void load_type(caf::actor_system_config& config, const detail::message_type& type) {
  if (type.load != nullptr)
    type.load(config, type.name);
}

void check_types() {}

} // namespace bulkhead::actors
