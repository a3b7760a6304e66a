#pragma once

#include <bulkhead/actors/type_number.hpp>
#include <bulkhead/detail/function_ref.hpp>
#include <bulkhead/detail/type_name.hpp>

#include <caf/actor_cast.hpp>
#include <caf/actor_control_block.hpp>
#include <caf/actor_system.hpp>
#include <caf/message.hpp>

#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace bulkhead::detail {

/// Makes an actor in a worker from arguments that travelled as a message. Throws config_error for
/// others than the stub's.
using spawn_stub = caf::strong_actor_ptr (*)(caf::actor_system& system, const void* behavior,
                                             const caf::message& args);

/// What an argument is in the worker.
template <class T>
struct spawn_argument {
  using type = std::decay_t<T>;
};
template <class T>
  requires std::is_convertible_v<T, const char*>
struct spawn_argument<T> {
  using type = std::string;
};
template <class T>
using spawn_argument_t = typename spawn_argument<std::decay_t<T>>::type;

[[noreturn]] void throw_unfit(const std::vector<std::string>& wanted, const caf::message& given);

template <class... Ts>
void check_arguments(const caf::message& args) {
  if constexpr (sizeof...(Ts) == 0) {
    if (!args.empty())
      throw_unfit({}, args);
  } else if (!args.match_elements<Ts...>()) {
    throw_unfit({type_name<Ts>()...}, args);
  }
}

/// F: a function pointer type, or a captureless lambda that the worker makes by itself.
template <class F, class... Ts>
caf::strong_actor_ptr spawn_function(caf::actor_system& system, const void* behavior,
                                     const caf::message& args) {
  check_arguments<Ts...>(args);
  return [&]<std::size_t... I>(std::index_sequence<I...>) {
    if constexpr (std::is_pointer_v<F>)
      return caf::actor_cast<caf::strong_actor_ptr>(system.spawn(
        reinterpret_cast<F>(const_cast<void*>(behavior)), args.template get_as<Ts>(I)...));
    else
      return caf::actor_cast<caf::strong_actor_ptr>(
        system.spawn(F{}, args.template get_as<Ts>(I)...));
  }(std::index_sequence_for<Ts...>{});
}

template <class Class, class... Ts>
caf::strong_actor_ptr spawn_class(caf::actor_system& system, const void*,
                                  const caf::message& args) {
  check_arguments<Ts...>(args);
  return [&]<std::size_t... I>(std::index_sequence<I...>) {
    return caf::actor_cast<caf::strong_actor_ptr>(
      system.spawn<Class>(args.template get_as<Ts>(I)...));
  }(std::index_sequence_for<Ts...>{});
}

/// What travels of a behaviour: see actors/worker/spawn_request.hpp.
struct shipped_behavior {
  function_ref stub;
  function_ref behavior;
};

template <class F, class... Args>
shipped_behavior ship_behavior(const F& f) {
  using function = std::decay_t<F>;
  static_assert(std::is_pointer_v<function> || std::is_empty_v<function>,
                "bulkhead: a behaviour is a function or a lambda that captures nothing; pass what "
                "it captures as an argument of spawn");
  shipped_behavior result;
  result.stub =
    to_ref(reinterpret_cast<const void*>(&spawn_function<function, spawn_argument_t<Args>...>));
  if constexpr (std::is_pointer_v<function>)
    result.behavior = to_ref(reinterpret_cast<const void*>(f));
  return result;
}

template <class... Args>
caf::message spawn_arguments(Args&&... args) {
  if constexpr (sizeof...(Args) == 0)
    return {};
  else
    return caf::make_message(spawn_argument_t<Args>(std::forward<Args>(args))...);
}

} // namespace bulkhead::detail
