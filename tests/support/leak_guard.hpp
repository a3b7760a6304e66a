#pragma once

#include <bulkhead/testing/leak_guard.hpp>

#include <doctest/doctest.h>

#include <optional>
#include <string>

namespace bulkhead::tests {

/// First line of every process test: fails it when anything is left at the end of the scope.
class leak_guard {
public:
  /// `warm`: whether the library's one-time state (forkserver, runtime thread) is made first.
  enum class state { warm, cold };

  explicit leak_guard(state wanted = state::warm) {
    if (wanted == state::warm)
      warm_up();
    before_.emplace();
  }
  leak_guard(const leak_guard&) = delete;
  leak_guard& operator=(const leak_guard&) = delete;
  ~leak_guard() {
    const std::string left = before_->leaked();
    if (!left.empty())
      FAIL_CHECK("the test leaves behind:\n" << left);
  }

  /// Makes the state that the library keeps between pools; only the first call does something.
  static void warm_up();

private:
  std::optional<testing::leak_guard> before_;
};

} // namespace bulkhead::tests
