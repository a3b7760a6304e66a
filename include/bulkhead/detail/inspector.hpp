#pragma once

#include <string_view>
#include <tuple>
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

/// How callbacks of CAF tell success: nothing, true, or an error that is not set.
template <class F, class... Args>
bool call_succeeds(F& f, Args&&... args) {
  using result = std::invoke_result_t<F&, Args...>;
  if constexpr (std::is_void_v<result>) {
    f(std::forward<Args>(args)...);
    return true;
  } else if constexpr (std::is_same_v<std::remove_cvref_t<result>, bool>) {
    return f(std::forward<Args>(args)...);
  } else {
    return !static_cast<bool>(f(std::forward<Args>(args)...));
  }
}

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

/// A member under its name.
template <class Inspector, class T>
class named_field {
public:
  named_field(std::string_view name, T& value) : name_(name), value_(value) {}

  template <class Default>
  named_field& fallback([[maybe_unused]] Default&& value) {
    if constexpr (Inspector::is_loading)
      value_ = std::forward<Default>(value);
    has_fallback_ = true;
    return *this;
  }
  template <class Predicate>
  auto invariant(Predicate predicate);

  bool operator()(Inspector& f) { return f.on_field(name_, value_, has_fallback_); }

  const T& value() const { return value_; }

private:
  std::string_view name_;
  T& value_;
  bool has_fallback_ = false;
};

/// A member whose value must pass a test when it is loaded.
template <class Inspector, class T, class Predicate>
class checked_field {
public:
  checked_field(named_field<Inspector, T> field, Predicate predicate)
    : field_(field), predicate_(std::move(predicate)) {}

  template <class Default>
  checked_field& fallback(Default&& value) {
    field_.fallback(std::forward<Default>(value));
    return *this;
  }

  bool operator()(Inspector& f) {
    return field_(f) && (!Inspector::is_loading || predicate_(field_.value()));
  }

private:
  named_field<Inspector, T> field_;
  Predicate predicate_;
};

template <class Inspector, class T>
template <class Predicate>
auto named_field<Inspector, T>::invariant(Predicate predicate) {
  return checked_field<Inspector, T, Predicate>{*this, std::move(predicate)};
}

/// A member behind a getter and a setter.
template <class Get, class Set>
class virtual_field {
public:
  virtual_field(std::string_view name, Get get, Set set)
    : name_(name), get_(std::move(get)), set_(std::move(set)) {}

  template <class Inspector>
  bool operator()(Inspector& f) {
    using type = std::remove_cvref_t<std::invoke_result_t<Get&>>;
    if constexpr (Inspector::is_loading) {
      type value{};
      return f.on_field(name_, value, false) && call_succeeds(set_, std::move(value));
    } else {
      auto&& value = get_();
      return f.on_field(name_, value, false);
    }
  }

private:
  std::string_view name_;
  Get get_;
  Set set_;
};

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
