#pragma once

#include <cstdint>

namespace bulkhead::runtime {

/// In a worker, before code of the user's runs: libraries that start threads of their own for
/// numerical work use so many. Those that are loaded already are told by their own functions.
void limit_library_threads(std::uint32_t threads) noexcept;

} // namespace bulkhead::runtime
