#pragma once

#include <array>
#include <cstdint>

namespace bulkhead::runtime {

/// Resident bytes, open descriptors, threads.
using growth_figures = std::array<std::int64_t, 3>;

/// Of this process now; 0 where /proc does not tell. Some 50 us.
growth_figures own_figures() noexcept;

} // namespace bulkhead::runtime
