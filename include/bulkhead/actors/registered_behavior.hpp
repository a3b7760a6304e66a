#pragma once

#include <bulkhead/actors/behavior_interface.hpp>
#include <bulkhead/actors/spawn_stub.hpp>

#include <caf/local_actor.hpp>

#include <string>
#include <type_traits>
#include <utility>

namespace bulkhead::detail {

/// Thread-safe. A name given twice is an error of the first lookup.
void add_behavior(const std::string& name, spawn_stub stub, const void* behavior,
                  behavior_interface interface);

/// The arguments of a behaviour without its self pointer.
template <class... Ts>
struct behavior_arguments {
  template <class F>
  static constexpr spawn_stub stub = &spawn_function<F, spawn_argument_t<Ts>...>;
  static std::vector<behavior_interface::element> describe() {
    return describe_elements<spawn_argument_t<Ts>...>();
  }
};
template <class Self, class... Ts>
  requires(std::is_pointer_v<Self>
           && std::is_base_of_v<caf::local_actor, std::remove_pointer_t<Self>>)
struct behavior_arguments<Self, Ts...> : behavior_arguments<Ts...> {};

class behavior_registration {
public:
  template <class R, class... Ts>
  behavior_registration(const char* name, R (*behavior)(Ts...)) {
    behavior_interface interface;
    interface.arguments = behavior_arguments<Ts...>::describe();
    interface.calls = interface_calls<R>::describe();
    add_behavior(name, behavior_arguments<Ts...>::template stub<R (*)(Ts...)>,
                 reinterpret_cast<const void*>(behavior), std::move(interface));
  }
  template <class F>
    requires(std::is_class_v<F>)
  behavior_registration(const char* name, F f) : behavior_registration(name, +f) {}
};

} // namespace bulkhead::detail
