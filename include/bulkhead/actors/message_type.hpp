#pragma once

#include <caf/actor_system_config.hpp>
#include <caf/make_message.hpp>
#include <caf/message.hpp>

#include <cstddef>
#include <string>
#include <typeinfo>

namespace bulkhead::detail {

/// What the library has to know of a type that travels in actor messages.
struct message_type {
  const char* name;
  const std::type_info* type;
  void (*load)(caf::actor_system_config& config, const char* name); ///< null: CAF knows it
  bool (*matches)(const caf::message& msg, std::size_t at);
  caf::message (*wrap)(const void* object);
};

template <class T>
message_type describe_message_type(const char* name, bool own) {
  message_type result{name, &typeid(T), nullptr, nullptr, nullptr};
  if (own)
    result.load = [](caf::actor_system_config& config, const char* n) {
      config.add_message_type<T>(n);
    };
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
