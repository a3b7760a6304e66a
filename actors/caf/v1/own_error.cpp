#include "actors/caf/own_error.hpp"

#include "actors/caf/types.hpp"

#include <caf/default_enum_inspect.hpp>
#include <caf/is_error_code_enum.hpp>

namespace bulkhead::actors {

enum class own_code : std::uint8_t {};

std::string to_string(own_code) { return "bulkhead"; }

template <class Inspector>
bool inspect(Inspector& f, own_code& x) {
  auto get = [&x] { return static_cast<std::uint8_t>(x); };
  auto set = [&x](std::uint8_t value) {
    x = static_cast<own_code>(value);
    return true;
  };
  return f.apply(get, set);
}

} // namespace bulkhead::actors

namespace caf {

template <>
struct type_id<bulkhead::actors::own_code> {
  static constexpr type_id_t value = bulkhead::detail::failure_number;
};

template <>
struct type_name<bulkhead::actors::own_code> {
  static constexpr std::string_view value = "bulkhead";
};

} // namespace caf

CAF_ERROR_CODE_ENUM(bulkhead::actors::own_code)

namespace bulkhead::actors {

namespace {

constexpr auto category = caf::type_id_v<own_code>;

[[maybe_unused]] const bool entered = [] {
  enter_type({category, caf::detail::make_meta_object<own_code>(caf::type_name_v<own_code>)},
             typeid(own_code));
  return true;
}();

} // namespace

caf::error own_error(std::uint8_t code, caf::message context) {
  return {static_cast<own_code>(code), std::move(context)};
}

const caf::message* own_error_context(const caf::error& reason, std::uint8_t& code) noexcept {
  if (!reason || reason.category() != category)
    return nullptr;
  code = reason.code();
  return &reason.context();
}

void load_own_errors(caf::actor_system_config&) {}

} // namespace bulkhead::actors
