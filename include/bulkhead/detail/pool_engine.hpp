#pragma once

#include <bulkhead/options.hpp>

#include <memory>

namespace bulkhead::detail {

class pool_core;

/// Makes pools whose tasks run elsewhere than in workers of this machine; see
/// pool_options::engine. Shared by the pools that are made with it; all calls are thread-safe.
class pool_engine {
public:
  pool_engine() = default;
  pool_engine(const pool_engine&) = delete;
  pool_engine& operator=(const pool_engine&) = delete;
  virtual ~pool_engine() = default;

  /// Throws config_error for an option that has no effect with this engine, or cannot work.
  virtual std::shared_ptr<pool_core> make_pool(pool_options options) const = 0;
};

} // namespace bulkhead::detail
