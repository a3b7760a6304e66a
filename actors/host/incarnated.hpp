#pragma once

#include <caf/actor_control_block.hpp>

namespace bulkhead::actors {

/// An actor that stands for another one, which may be replaced.
class incarnated {
public:
  virtual ~incarnated() = default;
  /// Who it stands for now; null while there is nobody.
  virtual caf::strong_actor_ptr incarnation() const = 0;
};

} // namespace bulkhead::actors
