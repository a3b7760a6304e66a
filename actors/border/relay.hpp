#pragma once

#include <memory>
#include <utility>

namespace bulkhead::actors {

/// While a message of one peer passes through a proxy on its way to another, its token goes with
/// the frame: the first peer's credit comes back when the second has the message.
class relay_scope {
public:
  explicit relay_scope(std::shared_ptr<void> token)
    : before_(std::exchange(current(), std::move(token))) {}
  ~relay_scope() { current() = std::move(before_); }
  relay_scope(const relay_scope&) = delete;
  relay_scope& operator=(const relay_scope&) = delete;

  static std::shared_ptr<void>& current() noexcept {
    thread_local std::shared_ptr<void> token;
    return token;
  }

private:
  std::shared_ptr<void> before_;
};

} // namespace bulkhead::actors
