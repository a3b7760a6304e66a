#pragma once

#include <bulkhead/failure.hpp>

#include <utility>

namespace bulkhead::detail {

/// A failure that nobody changes any more, in the size of a pointer. Copies share it, and what was
/// moved from still has it. Thread-safe on distinct copies.
class kept_failure {
public:
  kept_failure() noexcept = default;
  kept_failure(const kept_failure& other) noexcept;
  kept_failure& operator=(kept_failure other) noexcept {
    std::swap(there_, other.there_);
    return *this;
  }
  ~kept_failure();

  explicit operator bool() const noexcept { return there_ != nullptr; }
  /// Only where there is one.
  const failure& operator*() const noexcept;

private:
  friend kept_failure keep(failure&& f) noexcept;
  struct shared;
  explicit kept_failure(shared* there) noexcept : there_(there) {}

  shared* there_ = nullptr; ///< owned together with the copies
};

/// Keeps a failure whatever happens: where there is no memory, one that says so in its place.
kept_failure keep(failure&& f) noexcept;

/// What became of a result that the host cannot decode or store, from the exception in flight:
/// whatever the user's constructors, assignments and inspect functions throw is an outcome, and no
/// memory is too_large. Only within a catch block.
failure undecodable_result() noexcept;

} // namespace bulkhead::detail
