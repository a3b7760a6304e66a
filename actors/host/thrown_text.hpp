#pragma once

#include "runtime/outcome/failure_wire.hpp"

#include <string>

namespace bulkhead::actors {

/// Type and text of what user code has just thrown, whatever it is. Only within a catch block.
inline std::string thrown_text() {
  const auto what = runtime::describe_current_exception();
  return what.type + (what.message.empty() ? "" : ": " + what.message);
}

} // namespace bulkhead::actors
