#include "runtime/pool/observe_library.hpp"

#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <stdexcept>
#include <string>
#include <string_view>

namespace bulkhead::runtime {

namespace {

using attach_function = void (*)(const std::shared_ptr<detail::pool_core>&);

constexpr const char* library_name = "libbulkhead_observe.so.0";
constexpr const char* function_name = "bulkhead_observe_attach";

/// The folder of the file that this code is in: never one that the environment names.
std::string own_folder() {
  Dl_info here{};
  if (::dladdr(reinterpret_cast<const void*>(&observe_if_asked), &here) == 0
      || here.dli_fname == nullptr)
    return "./";
  const std::string file = here.dli_fname;
  return file.substr(0, file.rfind('/') + 1);
}

/// In the program itself, where it is linked statically; else in the library, which stays loaded.
attach_function find_attach() {
  auto* found = ::dlsym(RTLD_DEFAULT, function_name);
  if (found == nullptr) {
    const auto path = own_folder() + library_name;
    auto* library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr)
      throw std::runtime_error(::dlerror()); // NOLINT(concurrency-mt-unsafe): per thread in glibc
    found = ::dlsym(library, function_name);
  }
  return reinterpret_cast<attach_function>(found);
}

} // namespace

void observe_if_asked(const std::shared_ptr<detail::pool_core>& core) noexcept {
  const char* asked = std::getenv("BULKHEAD_OBSERVE"); // NOLINT(concurrency-mt-unsafe): as any
  if (asked == nullptr || std::string_view(asked) != "1"
      || core->options().start == start_method::eager)
    return;
  try {
    if (const auto attach = find_attach())
      attach(core);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "bulkhead: BULKHEAD_OBSERVE=1: the pool cannot be looked at: %s\n",
                 e.what());
  }
}

} // namespace bulkhead::runtime
