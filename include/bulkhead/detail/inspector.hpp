#pragma once

#include <bulkhead/detail/inspected_field.hpp>

#include <string_view>
#include <type_traits>
#include <utility>

namespace caf::meta {
struct annotation;
template <class F>
struct load_callback_t;
template <class F>
struct save_callback_t;
} // namespace caf::meta

// The interface that CAF's `inspect` functions are written against, in both of its styles:
//   f(meta::type_name("point"), p.x, p.y)                          CAF 0.17
//   f.object(p).fields(f.field("x", p.x), f.field("y", p.y))       CAF 1.x
// A concrete inspector supplies `bool on_value(T&)` for the former and
// `bool on_field(std::string_view, T&, bool has_fallback)` for the latter; a member that is loaded
// is assigned to, one with a fallback holds it already.
namespace bulkhead::detail {

template <class T>
inline constexpr bool is_load_callback = false;
template <class F>
inline constexpr bool is_load_callback<caf::meta::load_callback_t<F>> = true;
template <class T>
inline constexpr bool is_save_callback = false;
template <class F>
inline constexpr bool is_save_callback<caf::meta::save_callback_t<F>> = true;

template <class T>
concept caf_annotation = std::is_class_v<T> && std::is_base_of_v<caf::meta::annotation, T>;

struct no_callback {
  void operator()() const noexcept {}
};

/// The object between `f.object(x)` and `.fields(...)`.
template <class Inspector, class Callback = no_callback>
class inspected_object {
public:
  explicit inspected_object(Inspector& f, Callback callback = {})
    : f_(f), callback_(std::move(callback)) {}

  template <class... Name>
  inspected_object& pretty_name(Name&&...) {
    return *this;
  }
  template <class F>
  auto on_load(F callback) {
    return replace<Inspector::is_loading>(std::move(callback));
  }
  template <class F>
  auto on_save(F callback) {
    return replace<!Inspector::is_loading>(std::move(callback));
  }

  template <class... Fields>
  bool fields(Fields&&... fields) {
    return (fields(f_) && ...) && call_succeeds(callback_);
  }

private:
  template <bool Use, class F>
  auto replace(F&& callback) {
    if constexpr (Use)
      return inspected_object<Inspector, std::decay_t<F>>{f_, std::forward<F>(callback)};
    else
      return *this;
  }

  Inspector& f_;
  Callback callback_;
};

template <class Derived, bool IsLoading>
class inspector {
public:
  using result_type = bool;
  static constexpr bool is_loading = IsLoading;
  static constexpr bool reads_state = !IsLoading;
  static constexpr bool writes_state = IsLoading;
  static constexpr bool has_human_readable_format() noexcept { return false; }

  template <class... Ts>
  bool operator()(Ts&&... parts) {
    return (on_part(parts) && ...);
  }
  template <class T>
  bool apply(T&& value) {
    return on_part(value);
  }
  template <class T>
  auto object(T&&) {
    return inspected_object<Derived>{self()};
  }
  template <class T>
  auto field(std::string_view name, T& value) {
    return named_field<Derived, T>{name, value};
  }
  template <class Get, class Set>
  auto field(std::string_view name, Get get, Set set) {
    return virtual_field<Get, Set>{name, std::move(get), std::move(set)};
  }

private:
  Derived& self() { return static_cast<Derived&>(*this); }

  template <class T>
  bool on_part(T& part) {
    using type = std::remove_cv_t<T>;
    if constexpr (caf_annotation<type>) {
      if constexpr (IsLoading ? is_load_callback<type> : is_save_callback<type>)
        return call_succeeds(part.fun);
      else
        return true;
    } else {
      return self().on_value(part);
    }
  }
};

/// Calls the type's own `inspect`; true unless it reports failure.
template <class Inspector, class T>
bool run_inspect(Inspector& f, T& value) {
  auto call = [&]() -> decltype(auto) { return inspect(f, value); };
  return call_succeeds(call);
}

} // namespace bulkhead::detail
