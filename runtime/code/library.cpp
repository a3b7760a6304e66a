#include <bulkhead/library.hpp>

#include <bulkhead/error.hpp>

#include <string>
#include <system_error>

#include <dlfcn.h>

namespace bulkhead {

void load_library(const std::filesystem::path& path) {
  std::error_code failed;
  const auto full = std::filesystem::absolute(path, failed);
  if (failed || !std::filesystem::exists(full, failed))
    throw config_error("task library " + path.native() + " does not exist (looked at "
                       + full.native() + ")");
  // An absolute path: the dynamic linker searches for a bare name elsewhere.
  if (dlopen(full.c_str(), RTLD_NOW | RTLD_LOCAL) == nullptr) {
    const char* reason = dlerror();
    throw config_error("task library " + full.native()
                       + " cannot be loaded: " + (reason == nullptr ? "no reason given" : reason));
  }
}

} // namespace bulkhead
