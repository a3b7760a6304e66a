#pragma once

#include <bulkhead/detail/kept_failure.hpp>
#include <bulkhead/error.hpp>

#include <type_traits>
#include <utility>
#include <variant>

namespace bulkhead {

/// How a task ended: its value or its failure. Exactly one of both, for ever.
template <class T>
class outcome {
public:
  using value_type = T;

  outcome(T value) : content_(std::in_place_index<0>, std::move(value)) {}
  outcome(bulkhead::failure f) : outcome(detail::keep(std::move(f))) {}
  /// The same failure, shared.
  explicit outcome(detail::kept_failure f) : content_(std::in_place_index<1>, std::move(f)) {}

  bool has_value() const noexcept { return content_.index() == 0; }
  explicit operator bool() const noexcept { return has_value(); }

  /// The value. Throws the exception of the failure's kind where there is none.
  const T& value() const& {
    check();
    return std::get<0>(content_);
  }
  T&& value() && {
    check();
    return std::get<0>(std::move(content_));
  }

  /// The failure; calling it where has_value() throws std::bad_variant_access.
  const bulkhead::failure& failure() const { return *std::get<1>(content_); }

private:
  void check() const {
    if (!has_value())
      throw_failure(failure());
  }

  std::variant<T, detail::kept_failure> content_;
};

/// A task without a result: it succeeded or failed.
template <>
class outcome<void> {
public:
  using value_type = void;

  outcome() = default;
  outcome(bulkhead::failure f) : outcome(detail::keep(std::move(f))) {}
  /// The same failure, shared.
  explicit outcome(detail::kept_failure f) : content_(std::in_place_index<1>, std::move(f)) {}

  bool has_value() const noexcept { return content_.index() == 0; }
  explicit operator bool() const noexcept { return has_value(); }

  void value() const {
    if (!has_value())
      throw_failure(failure());
  }

  const bulkhead::failure& failure() const { return *std::get<1>(content_); }

private:
  std::variant<std::monostate, detail::kept_failure> content_;
};

} // namespace bulkhead
