#pragma once

#include <bulkhead/detail/codec.hpp>
#include <bulkhead/detail/codec_checked.hpp>

#include <concepts>
#include <type_traits>
#include <utility>

namespace bulkhead {

/// A value that is checked where it is read: in the host, before a result of a worker becomes a
/// value. A worker that has been taken over can return any bytes; what `Check` refuses, or throws
/// at, is a codec_error in the thread that asks for it.
///
///     bool is_share(double x) { return x >= 0 && x <= 1; }
///     bulkhead::checked<double, is_share> share(const picture&);
///
///     double x = pool.apply(share, picture); // or codec_error
///
/// `Check` is a function or a lambda without captures that takes the value and returns bool. It
/// sees what an attacker chose: let it be plain. The writer's side does not check.
template <class T, auto Check>
  requires std::predicate<decltype(Check), const T&>
class checked {
public:
  using value_type = T;

  checked(T value) noexcept(std::is_nothrow_move_constructible_v<T>) : value_(std::move(value)) {}
  checked(const checked&) = default;
  checked(checked&&) = default;
  checked& operator=(const checked&) = default;
  checked& operator=(checked&&) = default;
  /// Not trivial, so that nothing that holds a checked value travels as its bytes, unread.
  ~checked() {} // NOLINT(modernize-use-equals-default)

  const T& value() const& noexcept { return value_; }
  T&& value() && noexcept { return std::move(value_); }
  operator const T&() const noexcept { return value_; }

  friend bool operator==(const checked&, const checked&) = default;

private:
  T value_;
};

} // namespace bulkhead
