#include "actors/border/dead_letters.hpp"

#include <bit>
#include <cstdio>
#include <utility>

namespace bulkhead::actors {

void dead_letters::add(const std::string& why) noexcept {
  const auto now = count_.fetch_add(1, std::memory_order_relaxed) + 1; // as in count()
  if (std::has_single_bit(now))
    std::fprintf(stderr, "bulkhead: a message between actors is lost (%llu so far): %s\n",
                 static_cast<unsigned long long>(now), why.c_str());
  std::shared_ptr<const listener> told;
  {
    const std::lock_guard lock{mutex_};
    told = listener_;
  }
  if (told)
    try {
      (*told)(why);
    } catch (...) { // the count stands, and who has sent it is not to blame
    }
}

void dead_letters::watch(listener f) {
  auto made = f ? std::make_shared<const listener>(std::move(f)) : nullptr;
  const std::lock_guard lock{mutex_}; // goes before `made`, which is the old one then
  listener_.swap(made);
}

} // namespace bulkhead::actors
