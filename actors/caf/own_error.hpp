#pragma once

#include "actors/caf/version.hpp"

#include <caf/error.hpp>
#include <caf/message.hpp>

#include <cstdint>

namespace caf {
class actor_system_config;
}

namespace bulkhead::actors {

/// An error of the library's own category; `code` is not 0.
caf::error own_error(std::uint8_t code, caf::message context);

/// The context and code of such an error; null for errors of other categories.
const caf::message* own_error_context(const caf::error& reason, std::uint8_t& code) noexcept;

/// Lets the systems of this configuration render such errors: the first string of the context.
void load_own_errors(caf::actor_system_config& config);

} // namespace bulkhead::actors
