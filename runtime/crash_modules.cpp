#include "runtime/crash_modules.hpp"

#include "runtime/module_scan.hpp"

#include <link.h>

#include <atomic>
#include <exception>
#include <memory>
#include <mutex>
#include <vector>

namespace bulkhead::runtime {

namespace {

struct placed_code {
  std::uintptr_t begin;
  std::uintptr_t end;
  std::uintptr_t base;
  std::uint64_t module;
};

using snapshot = std::vector<placed_code>;

// Read by the crash handler at any time, so an old one is never freed; there is one for each time
// that libraries were loaded.
constinit std::atomic<const snapshot*> current{nullptr};

int count_loads(dl_phdr_info* info, std::size_t, void* to) {
  *static_cast<unsigned long long*>(to) = info->dlpi_adds;
  return 1; // the count is the same for all
}

} // namespace

void refresh_crash_modules() noexcept {
  static std::mutex mutex;
  static unsigned long long loads = 0;
  const std::lock_guard lock{mutex};
  unsigned long long now = 0;
  dl_iterate_phdr(&count_loads, &now);
  if (now == loads)
    return;
  try {
    auto fresh = std::make_unique<snapshot>();
    for (const auto& module : scan_modules())
      for (const auto& range : module.code)
        fresh->push_back({range.begin, range.end, module.base, module.id});
    // Release: partner is the acquire in find_code.
    current.store(fresh.release(), std::memory_order_release);
    loads = now;
  } catch (const std::exception&) { // no memory: the handler goes on with what it has
  }
}

code_place find_code(std::uintptr_t address) noexcept {
  const auto* modules = current.load(std::memory_order_acquire);
  if (modules == nullptr)
    return {};
  for (const auto& code : *modules)
    if (address >= code.begin && address < code.end)
      return {code.module, address - code.base};
  return {};
}

} // namespace bulkhead::runtime
