#pragma once

#include <bulkhead/failure.hpp>

#include <memory>

namespace bulkhead::detail {

/// Deletes every failure but the shared one for hosts without memory.
struct failure_deleter {
  void operator()(const failure* f) const noexcept;
};
/// Shared, so it is copied, never moved from.
using kept_failure = std::unique_ptr<const failure, failure_deleter>;

/// Keeps a failure whatever happens: where there is no memory, one that says so in its place.
kept_failure keep(failure&& f) noexcept;

/// What became of a result that the host cannot decode or store, from the exception in flight:
/// whatever the user's constructors, assignments and inspect functions throw is an outcome, and no
/// memory is too_large. Only within a catch block.
failure undecodable_result() noexcept;

} // namespace bulkhead::detail
