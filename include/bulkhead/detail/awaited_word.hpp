#pragma once

#include <atomic>
#include <cstdint>

namespace bulkhead::detail {

/// A word in shared memory that will not be `seen` any more once what somebody waits for may have
/// come: to sleep on, as a futex. Null: it is there already.
struct awaited_word {
  const std::atomic<std::uint32_t>* word = nullptr;
  std::uint32_t seen = 0;
};

} // namespace bulkhead::detail
