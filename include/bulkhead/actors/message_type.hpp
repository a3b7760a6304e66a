#pragma once

#include <bulkhead/actors/type_number.hpp>

#include <caf/actor_system_config.hpp>
#include <caf/message.hpp>

#if !BULKHEAD_CAF_0
#  include <caf/init_global_meta_objects.hpp>
#endif

#include <cstddef>
#include <string>
#include <typeinfo>

namespace bulkhead::detail {

#if BULKHEAD_CAF_0
/// Null: CAF knows the type.
using type_loader = void (*)(caf::actor_system_config& config, const char* name);
#else
/// How CAF handles the type and the vector of it; number 0: CAF knows the type, or there is no such
/// vector.
struct type_loader {
  struct entry {
    std::uint16_t number = 0;
    caf::detail::meta_object meta = {};
  };
  entry itself;
  entry vector;
};

template <class T>
type_loader::entry describe_entry() {
  if constexpr (type_number<T>::value == caf::type_id_v<T>)
    return {caf::type_id_v<T>, caf::detail::make_meta_object<T>(caf::type_name_v<T>)};
  else
    return {};
}
#endif

/// What the library has to know of a type that travels in actor messages.
struct message_type {
  const char* name;
  const std::type_info* type;
  type_loader load;
  bool (*matches)(const caf::message& msg, std::size_t at);
  caf::message (*wrap)(const void* object);
};

template <class T>
message_type describe_message_type(const char* name, bool own) {
  message_type result{name, &typeid(T), {}, nullptr, nullptr};
#if BULKHEAD_CAF_0
  if (own)
    result.load = [](caf::actor_system_config& config, const char* n) {
      config.add_message_type<T>(n);
    };
#else
  static_cast<void>(own); // the number says it
  result.load.itself = describe_entry<T>();
  if constexpr (declared<T>)
    result.load.vector = describe_entry<std::vector<T>>();
#endif
  result.matches = [](const caf::message& msg, std::size_t at) { return msg.match_element<T>(at); };
  result.wrap = [](const void* object) {
    return caf::make_message(*static_cast<const T*>(object));
  };
  return result;
}

/// Types of one name are one type; the first stays. Thread-safe.
void add_message_type(const message_type& type);
void add_message_block(void (*load)(caf::actor_system_config& config));
/// Null where it was not declared and CAF does not know it.
const message_type* find_message_type(const std::type_info& type);

struct message_registration {
  explicit message_registration(const message_type& type) { add_message_type(type); }
};

} // namespace bulkhead::detail
