#pragma once

#include <bulkhead/detail/ship_arguments.hpp>

#include <functional>
#include <type_traits>

namespace bulkhead::detail {

/// The closure or function object travels as its bytes.
template <class F>
concept raw_callable = std::is_class_v<F> && pointer_free<F>;

/// Can be called in another process: a function, a captureless lambda, a closure or function
/// object without pointers inside, or one with inspect().
template <class F>
concept shippable = function_pointer<std::decay_t<F>> || raw_callable<std::decay_t<F>>
                    || (std::is_class_v<std::decay_t<F>> && encodable<std::decay_t<F>>);

/// Stops the compilation with a reason unless F can travel as a callable.
template <class F>
consteval void require_shippable() {
  using type = std::decay_t<F>;
  constexpr bool fine = shippable<type>;
  constexpr bool member = std::is_member_pointer_v<type>;
  constexpr bool wrapper = !fine && is_function_wrapper<type>;
  constexpr bool captures_address =
    !fine && !member && !wrapper && std::is_trivially_copyable_v<type>;
  static_assert(!member, "bulkhead: a pointer to member cannot travel; wrap the call in a lambda: "
                         "[](const T& object, int x) { return object.f(x); }");
  static_assert(!wrapper, "bulkhead: a std::function hides what it holds; send the function or "
                          "lambda itself");
  static_assert(!captures_address,
                "bulkhead: this closure captures a pointer, reference, string_view or span (or a "
                "union, std::optional, std::variant, or a class without a constexpr constructor, "
                "which cannot be told from one); capture by value a self-contained type, or pass "
                "it as an argument");
  static_assert(fine || member || wrapper || captures_address,
                "bulkhead: this callable cannot travel: what it captures is not trivially "
                "copyable (std::string, std::vector, std::function, std::bind, ...); pass that as "
                "an argument, or use a function object with an inspect() function");
}

/// Writes the callable itself; which stub runs it is named elsewhere. Functions travel as a
/// function_ref, empty function objects as nothing.
template <class F>
void encode_callable([[maybe_unused]] buffer& out, const F& f) {
  using type = std::decay_t<F>;
  require_shippable<type>();
  if constexpr (function_pointer<type>)
    encode_function<type>(out, f);
  else if constexpr (raw_callable<type> && !std::is_empty_v<type>)
    std::memcpy(out.grow(sizeof(type)), std::addressof(f), sizeof(type));
  else if constexpr (!raw_callable<type> && encodable<type>)
    encode(out, f);
}

/// What encode_callable wrote. A null function is a codec_error.
template <class F>
F decode_callable([[maybe_unused]] reader& in) {
  if constexpr (function_pointer<F>) {
    const auto f = decode_function<F>(in);
    if (f == nullptr)
      throw_undecodable(typeid(F), "a null function cannot be called");
    return f;
  } else if constexpr (raw_callable<F> && std::is_empty_v<F>) {
    constexpr std::byte nothing[sizeof(F)] = {};
    return from_bytes<F>(nothing);
  } else if constexpr (raw_callable<F>) {
    return from_bytes<F>(in.take(sizeof(F), typeid(F)));
  } else if constexpr (encodable<F>) {
    return decode<F>(in);
  } else {
    require_shippable<F>();
    throw_undecodable(typeid(F), "it cannot travel");
  }
}

} // namespace bulkhead::detail
