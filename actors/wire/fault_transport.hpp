#pragma once

#include "actors/wire/transport.hpp"

#include <memory>

namespace bulkhead::actors {

/// The transport itself, or one with the faults that bulkhead::testing::inject asked for.
std::shared_ptr<transport> with_faults(std::shared_ptr<transport> io);

} // namespace bulkhead::actors
