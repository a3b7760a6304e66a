#pragma once

#include <bulkhead/failure.hpp>

#include <new>
#include <string>
#include <utility>

namespace bulkhead::runtime {

/// A failure of a task that never started.
inline failure failure_of(failure_kind kind, std::string message) noexcept {
  failure f;
  f.kind = kind;
  f.message = std::move(message);
  return f;
}

/// The same; without its message where there is no memory for it.
inline failure failure_of(failure_kind kind, const char* message) noexcept {
  failure f;
  f.kind = kind;
  try {
    f.message = message;
  } catch (const std::bad_alloc&) { // its kind says most
  }
  return f;
}

/// A copy for one more task; without its texts where there is no memory for them.
inline failure copy_of(const failure& f) noexcept {
  try {
    return f;
  } catch (const std::bad_alloc&) {
    failure bare;
    bare.kind = f.kind;
    bare.worker = f.worker;
    bare.exit = f.exit;
    bare.may_have_executed = f.may_have_executed;
    return bare;
  }
}

} // namespace bulkhead::runtime
