#pragma once

#include "runtime/system/system_text.hpp"

#include <stdexcept>
#include <string>
#include <string_view>

namespace bulkhead::runtime {

/// A process could not be started; nothing of it is left. code(): errno, 0 where none applies.
class launch_error : public std::runtime_error {
public:
  launch_error(std::string_view call, int error)
    : std::runtime_error(system_text(call, error)), code_(error) {}
  explicit launch_error(const std::string& text) : std::runtime_error(text) {}
  /// With a text that is complete.
  static launch_error with_text(const std::string& text, int error) {
    launch_error made{text};
    made.code_ = error;
    return made;
  }

  int code() const noexcept { return code_; }

private:
  int code_ = 0;
};

} // namespace bulkhead::runtime
