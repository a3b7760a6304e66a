#pragma once

#include <bulkhead/detail/task_entry.hpp>
#include <bulkhead/detail/value_inspect.hpp>

#include <array>
#include <type_traits>
#include <utility>

// The untyped side of a typed task: what task_entry's pointers point to.
namespace bulkhead::detail {

/// Throws config_error.
[[noreturn]] void throw_argument_count(std::size_t expected, std::size_t given);

template <class R, class... Ts>
struct task_bridge {
  static constexpr std::size_t count = sizeof...(Ts);
  /// One more than needed: an array of none is no array.
  static constexpr std::array<const std::type_info*, count + 1> arguments{&typeid(Ts)..., nullptr};

  static void encode_values(buffer& out, std::span<const value> values) {
    if (values.size() != count)
      throw_argument_count(count, values.size());
    encode_values(out, values, std::index_sequence_for<Ts...>{});
  }

  static void encode_objects(buffer& out, std::span<const void* const> objects) {
    if (objects.size() != count)
      throw_argument_count(count, objects.size());
    encode_objects(out, objects, std::index_sequence_for<Ts...>{});
  }

  static value result_to_value(std::span<const std::byte> result) {
    if constexpr (std::is_void_v<R>) {
      decode_result<void>(result);
      return {};
    } else if constexpr (convertible<R>) {
      return converter<R>::to(decode_result<R>(result));
    } else {
      return value("<" + std::to_string(result.size()) + " bytes>");
    }
  }

  static void receive_result(std::span<const std::byte> result, void (*receive)(void*, void*),
                             void* context) {
    if constexpr (std::is_void_v<R>) {
      decode_result<void>(result);
      receive(context, nullptr);
    } else {
      auto decoded = decode_result<R>(result);
      receive(context, &decoded);
    }
  }

private:
  template <std::size_t... I>
  static void encode_values([[maybe_unused]] buffer& out,
                            [[maybe_unused]] std::span<const value> values,
                            std::index_sequence<I...>) {
    (encode_argument(out, from_value<Ts>(values[I], place("argument " + std::to_string(I + 1)))),
     ...);
  }
  template <std::size_t... I>
  static void encode_objects([[maybe_unused]] buffer& out,
                             [[maybe_unused]] std::span<const void* const> objects,
                             std::index_sequence<I...>) {
    (encode_argument(out, *static_cast<const Ts*>(objects[I])), ...);
  }
};

/// A task in the registry for as long as its module is loaded.
class task_registration {
public:
  template <class R, class... Args>
  task_registration(std::string_view name, R (*function)(Args...), const char* file, int line)
    : entry_(make<R (*)(Args...), shipped_result_t<R (*)(Args...), Args...>, shipped_t<Args>...>(
      name, reinterpret_cast<const void*>(function), file, line)) {
    add_task(entry_);
  }
  template <class R, class... Args>
  task_registration(std::string_view name, R (*function)(Args...) noexcept, const char* file,
                    int line)
    : task_registration(name, static_cast<R (*)(Args...)>(function), file, line) {}

  /// A captureless lambda.
  template <class F>
    requires(std::is_class_v<F>)
  task_registration(std::string_view name, F f, const char* file, int line)
    : task_registration(name, as_function(f), file, line) {}

  task_registration(const task_registration&) = delete;
  task_registration& operator=(const task_registration&) = delete;
  ~task_registration() { remove_task(entry_); }

private:
  template <class F>
  static auto as_function(F f) {
    static_assert(
      requires { +f; },
      "bulkhead: BULKHEAD_TASK takes a function or a captureless lambda whose parameter "
      "types are written out (no auto); pass what it captures as an argument");
    if constexpr (requires { +f; })
      return +f;
    else
      return static_cast<void (*)()>(nullptr);
  }

  template <class F, class R, class... Ts>
  static task_entry make(std::string_view name, const void* function, const char* file, int line) {
    using bridge = task_bridge<R, Ts...>;
    require_result<R>();
    return {name,
            function,
            file,
            line,
            stub_of<F, Ts...>,
            std::span(bridge::arguments).first(bridge::count),
            &typeid(R),
            &bridge::encode_values,
            &bridge::encode_objects,
            &bridge::result_to_value,
            &bridge::receive_result};
  }

  task_entry entry_;
};

} // namespace bulkhead::detail
