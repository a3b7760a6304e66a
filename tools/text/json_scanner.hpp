#pragma once

#include "tools/text/problem.hpp"

#include <string>
#include <string_view>

namespace bulkhead::config {

/// Reads the characters of a JSON text and knows the place of the next one. The text must be
/// valid UTF-8 without NUL bytes.
class json_scanner {
public:
  json_scanner(std::string source, std::string_view text)
    : here_{std::move(source), 1, 1}, rest_(text) {}

  const place& here() const noexcept { return here_; }
  bool at_end() const noexcept { return rest_.empty(); }
  /// The next byte; NUL at the end.
  char peek() const noexcept { return rest_.empty() ? '\0' : rest_[0]; }
  std::string_view rest() const noexcept { return rest_; }

  char take();
  bool take_if(std::string_view word);
  /// Takes letters, digits and what else stands in badly written numbers and words.
  std::string_view take_word();

  /// Skips white space and comments. False where a comment has no end; `here()` is then its
  /// beginning.
  bool skip_blank();

private:
  place here_;
  std::string_view rest_;
};

} // namespace bulkhead::config
