#include "actors/caf/own_error.hpp"

#include <caf/actor_system_config.hpp>
#include <caf/atom.hpp>

namespace bulkhead::actors {

namespace {
constexpr auto category = caf::atom("bulkhead");
}

caf::error own_error(std::uint8_t code, caf::message context) {
  return {code, category, std::move(context)};
}

const caf::message* own_error_context(const caf::error& reason, std::uint8_t& code) noexcept {
  if (!reason || reason.category() != category)
    return nullptr;
  code = reason.code();
  return &reason.context();
}

void load_own_errors(caf::actor_system_config& config) {
  config.add_error_category(
    category, [](std::uint8_t, caf::atom_value, const caf::message& context) -> std::string {
      if (!context.empty() && context.match_element<std::string>(0))
        return context.get_as<std::string>(0);
      return "bulkhead: unknown failure";
    });
}

} // namespace bulkhead::actors
