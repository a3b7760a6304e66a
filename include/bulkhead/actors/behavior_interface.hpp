#pragma once

#include <bulkhead/actors/type_number.hpp>

#include <caf/typed_behavior.hpp>

#include <string>
#include <typeinfo>
#include <vector>

namespace bulkhead::detail {

/// What a registered behaviour is started with and takes, for those who name it in a file.
struct behavior_interface {
  struct element {
    const std::type_info* type = nullptr;
    std::string atom = {}; ///< of an atom: its text
  };
  struct call {
    std::vector<element> takes;
    std::vector<element> gives;
  };
  std::vector<element> arguments; ///< of its start
  std::vector<call> calls;        ///< all that a typed behaviour takes; of others: empty
};

template <class T>
struct interface_element {
  static behavior_interface::element describe() { return {&typeid(T)}; }
};

#if BULKHEAD_CAF_0
template <caf::atom_value Atom>
struct interface_element<caf::atom_constant<Atom>> {
  static behavior_interface::element describe() {
    return {&typeid(caf::atom_value), caf::to_string(Atom)};
  }
};
#endif

template <class... Ts>
std::vector<behavior_interface::element> describe_elements() {
  return {interface_element<Ts>::describe()...};
}

/// Of what a behaviour function returns.
template <class Result>
struct interface_calls {
  static std::vector<behavior_interface::call> describe() { return {}; }
};

/// Of one call, as CAF's version spells it.
template <class Signature>
struct interface_call;

#if BULKHEAD_CAF_0

template <class... In, class... Out>
struct interface_call<caf::typed_mpi<caf::detail::type_list<In...>, caf::output_tuple<Out...>>> {
  static behavior_interface::call describe() {
    return {describe_elements<In...>(), describe_elements<Out...>()};
  }
};

#else

template <class... Out, class... In>
struct interface_call<caf::result<Out...>(In...)> {
  static behavior_interface::call describe() {
    return {describe_elements<In...>(), describe_elements<Out...>()};
  }
};

#endif

template <class... Signatures>
struct interface_calls<caf::typed_behavior<Signatures...>> {
  static std::vector<behavior_interface::call> describe() {
    return {interface_call<Signatures>::describe()...};
  }
};

/// The interface of the behaviour registered under a name by BULKHEAD_ACTOR. Throws config_error as
/// pool::spawn does. Thread-safe.
const behavior_interface& interface_of_behavior(const std::string& name);
/// Sorted. Thread-safe.
std::vector<std::string> all_behaviors();

} // namespace bulkhead::detail
