#pragma once

#include <bulkhead/detail/ship_callable.hpp>

#include <cstddef>
#include <functional>
#include <span>
#include <tuple>
#include <type_traits>
#include <utility>

namespace bulkhead::detail {

/// Runs one item in a worker: decodes the callable and its arguments, calls it, encodes the
/// result. Lets exceptions of the callable through; codec_error where bytes do not decode.
using stub_fn = void (*)(reader& callable, reader& args, buffer& result);

/// The stub of that name in this process. Throws codec_error.
inline stub_fn stub_at(function_ref ref) {
  return reinterpret_cast<stub_fn>(const_cast<void*>(from_ref(ref)));
}

/// How decoded arguments Ts are handed to F: bit i of a mask says that argument i is an lvalue.
/// All rvalues where that works (a task may take T, const T&, T&&), all lvalues next (T&), then
/// any mixture.
template <class F, class... Ts>
struct call_plan {
  using callee =
    std::conditional_t<std::is_class_v<F> && !std::is_invocable_v<F&, Ts...>
                         && !std::is_invocable_v<F&, Ts&...> && std::is_invocable_v<F, Ts...>,
                       F&&, F&>;

  template <std::size_t Mask, std::size_t I, class T>
  using passed = std::conditional_t<(Mask >> I & 1) != 0, T&, T&&>;

  template <std::size_t Mask, std::size_t... I>
  static consteval bool works(std::index_sequence<I...>) {
    return std::is_invocable_v<callee, passed<Mask, I, Ts>...>;
  }
  template <std::size_t Mask>
  static consteval bool works() {
    return works<Mask>(std::index_sequence_for<Ts...>{});
  }

  static constexpr std::size_t all_lvalues = (std::size_t{1} << sizeof...(Ts)) - 1;
  static constexpr std::size_t mixtures = sizeof...(Ts) > 6 ? 0 : all_lvalues;
  static constexpr std::size_t none = static_cast<std::size_t>(-1);

  template <std::size_t Mask>
  static consteval std::size_t first_mixture() {
    if constexpr (Mask >= mixtures)
      return none;
    else if constexpr (works<Mask>())
      return Mask;
    else
      return first_mixture<Mask + 1>();
  }
  static consteval std::size_t choose() {
    if constexpr (works<0>())
      return 0;
    else if constexpr (works<all_lvalues>())
      return all_lvalues;
    else
      return first_mixture<1>();
  }
  static constexpr std::size_t mask = choose();
  static constexpr bool callable = mask != none;

  static decltype(auto) call(F& f, std::tuple<Ts...>& values) {
    return call_with(f, values, std::index_sequence_for<Ts...>{});
  }

private:
  template <std::size_t... I>
  static decltype(auto) call_with(F& f, [[maybe_unused]] std::tuple<Ts...>& values,
                                  std::index_sequence<I...>) {
    return std::invoke(static_cast<callee>(f),
                       static_cast<passed<mask, I, Ts>>(std::get<I>(values))...);
  }
};

/// The plan, or the reason why there is none.
template <class F, class... Ts>
struct checked_call {
  using plan = call_plan<F, Ts...>;

  template <class T>
  static consteval void require_argument() {
    if constexpr (!function_pointer<T>)
      require_encodable<T>();
  }

  static consteval auto result_of() {
    require_shippable<F>();
    (require_argument<Ts>(), ...);
    static_assert(!shippable<F> || plan::callable,
                  "bulkhead: the callable cannot be called with these arguments as they arrive in "
                  "the worker; there a const char* or string_view is a std::string, a span is a "
                  "std::vector, a reference is a value");
    if constexpr (shippable<F> && plan::callable)
      return std::type_identity<std::decay_t<decltype(plan::call(
        std::declval<F&>(), std::declval<std::tuple<Ts...>&>()))>>{};
    else
      return std::type_identity<void>{};
  }
  using result = typename decltype(result_of())::type;
};

/// What F's call with these arguments leaves in the host: its result, decayed; void stays.
template <class F, class... Args>
using shipped_result_t = typename checked_call<std::decay_t<F>, shipped_t<Args>...>::result;

template <class R>
consteval void require_result() {
  if constexpr (!std::is_void_v<R>)
    require_encodable<R>();
}

/// Whether the result of a call travels or is dropped where the call ran.
enum class result_use : bool { ship, drop };

template <result_use Use, class F, class... Ts>
struct stub {
  static void run(reader& callable, reader& args, buffer& result) {
    using plan = call_plan<F, Ts...>;
    using type = std::conditional_t<Use == result_use::drop, void, shipped_result_t<F, Ts...>>;
    require_result<type>();
    [[maybe_unused]] auto f = decode_callable<F>(callable);
    callable.expect_end();
    std::tuple<Ts...> values{decode_argument<Ts>(args)...};
    args.expect_end();
    if constexpr (std::is_void_v<type>) {
      static_cast<void>(plan::call(f, values));
    } else {
      const auto& value = plan::call(f, values);
      encode<type>(result, value);
    }
  }
};

/// A closure whose captures differ from task to task. It travels before the arguments of its task
/// and not as what all tasks of a unit share, so that single tasks of one lambda go together.
template <class F>
concept own_closure = raw_callable<F> && !std::is_empty_v<F>;

/// The same for such a closure.
template <result_use Use, class F, class... Ts>
struct own_stub {
  static void run(reader& nothing, reader& args, buffer& result) {
    nothing.expect_end();
    reader callable{{args.take(sizeof(F), typeid(F)), sizeof(F)}};
    stub<Use, F, Ts...>::run(callable, args, result);
  }
};

/// The typed stub that runs F with these arguments.
template <class F, class... Args>
inline constexpr stub_fn stub_of =
  &stub<result_use::ship, std::decay_t<F>, shipped_t<Args>...>::run;
/// The same; what F returns is dropped in the worker and need not be able to travel.
template <class F, class... Args>
inline constexpr stub_fn dropping_stub_of =
  &stub<result_use::drop, std::decay_t<F>, shipped_t<Args>...>::run;

/// The stub's name, looked up once.
template <class F, class... Args>
const function_ref& stub_ref() {
  static const function_ref ref = to_ref(reinterpret_cast<const void*>(stub_of<F, Args...>));
  return ref;
}

template <class F, class... Args>
const function_ref& own_stub_ref() {
  static const function_ref ref = to_ref(reinterpret_cast<const void*>(
    static_cast<stub_fn>(&own_stub<result_use::ship, F, shipped_t<Args>...>::run)));
  return ref;
}

template <class F, class... Args>
const function_ref& dropping_stub_ref() {
  static const function_ref ref =
    to_ref(reinterpret_cast<const void*>(dropping_stub_of<F, Args...>));
  return ref;
}

/// A worker's answer; `descriptors` came along. Throws codec_error, also when bytes are left over.
template <class R>
R decode_result(std::span<const std::byte> bytes, const descriptor_list* descriptors = nullptr) {
  reader in{bytes};
  in.bring(descriptors);
  if constexpr (std::is_void_v<R>) {
    in.expect_end();
  } else {
    R value = decode<R>(in);
    in.expect_end();
    return value;
  }
}

} // namespace bulkhead::detail
