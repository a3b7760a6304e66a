#pragma once

#include <bulkhead/failure.hpp>

#include <string>
#include <utility>

namespace bulkhead::runtime {

/// A failure of a task that never started.
inline failure failure_of(failure_kind kind, std::string message) {
  failure f;
  f.kind = kind;
  f.message = std::move(message);
  return f;
}

} // namespace bulkhead::runtime
