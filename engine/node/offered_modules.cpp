#include "engine/node/offered_modules.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <utility>

#include <dlfcn.h>
#include <link.h>

namespace bulkhead::engine {

namespace {

constexpr std::array<std::string_view, 4> system_folders{"/lib/", "/lib64/", "/usr/lib/",
                                                         "/usr/lib64/"};

bool is_of_system(std::string_view path) {
  return std::any_of(system_folders.begin(), system_folders.end(),
                     [&](std::string_view folder) { return path.starts_with(folder); });
}

// Whether a loaded library names one of ours among those it needs (man 5 elf, .dynamic).
bool needs_bulkhead(const std::string& path) {
  void* library = ::dlopen(path.c_str(), RTLD_LAZY | RTLD_NOLOAD);
  if (library == nullptr)
    return false;
  link_map* map = nullptr;
  bool needs = false;
  if (::dlinfo(library, RTLD_DI_LINKMAP, &map) == 0) {
    const char* names = nullptr;
    for (const auto* d = map->l_ld; d->d_tag != DT_NULL; ++d)
      if (d->d_tag == DT_STRTAB)
        names = reinterpret_cast<const char*>(d->d_un.d_ptr); // glibc has made it an address
    for (const auto* d = map->l_ld; names != nullptr && d->d_tag != DT_NULL; ++d)
      needs |=
        d->d_tag == DT_NEEDED && std::string_view(names + d->d_un.d_val).starts_with("libbulkhead");
  }
  ::dlclose(library);
  return needs;
}

} // namespace

std::vector<runtime::known_module> offered_modules() {
  std::vector<runtime::known_module> offered;
  bool is_program = true; // the first
  for (auto& module : runtime::loaded_modules())
    if (std::exchange(is_program, false) || !is_of_system(module.path)
        || needs_bulkhead(module.path))
      offered.push_back(std::move(module));
  return offered;
}

} // namespace bulkhead::engine
