#pragma once

#include <string_view>
#include <type_traits>
#include <utility>

// What `f.field(...)` makes in an `inspect` of CAF's 1.x style; see inspector.hpp.
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

} // namespace bulkhead::detail
