#pragma once

#include <bulkhead/observe/watch.hpp>

#include <memory>

namespace bulkhead::observe {

/// Lets `bulkhead top`, `bulkhead events` and other programs of the same user look at a pool, and
/// restart its workers, drain and resize it, for as long as this object lives. They come by a Unix
/// socket without a file; whoever is another user is turned away. With BULKHEAD_OBSERVE=1 in the
/// environment every pool of a program is open in that way, without a line in the program, where
/// the libraries are shared ones.
class attachable {
public:
  /// Throws config_error for an eager pool, std::system_error where the socket or its thread cannot
  /// be made.
  explicit attachable(const pool& of);
  ~attachable();
  attachable(attachable&&) noexcept;
  attachable& operator=(attachable&&) noexcept;

private:
  std::shared_ptr<detail::watched> seen_;
};

} // namespace bulkhead::observe
