#pragma once

#include "actors/caf/version.hpp"

#include <bulkhead/actors/message_type.hpp>

namespace bulkhead::actors {

/// Makes a declared type known to all systems of the process, where CAF wants it so (1.x).
void enter_type(const detail::message_type& type);

/// Makes a type known to the systems of one configuration, where CAF wants it so (0.17).
void load_type(caf::actor_system_config& config, const detail::message_type& type);

/// Throws config_error where two of the types that were entered cannot live together.
void check_types();

#if !BULKHEAD_CAF_0
void enter_type(const detail::type_loader::entry& entry, const std::type_info& type);
#endif

} // namespace bulkhead::actors
