#include "actors/border/dead_letters.hpp"

#include <bit>
#include <cstdio>

namespace bulkhead::actors {

void dead_letters::add(const std::string& why) noexcept {
  const auto now = count_.fetch_add(1, std::memory_order_relaxed) + 1; // as in count()
  if (std::has_single_bit(now))
    std::fprintf(stderr, "bulkhead: a message between actors is lost (%llu so far): %s\n",
                 static_cast<unsigned long long>(now), why.c_str());
}

} // namespace bulkhead::actors
