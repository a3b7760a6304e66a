#include "runtime/pool/observe_library.hpp"

#include <bulkhead/error.hpp>

#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <stdexcept>
#include <string>
#include <string_view>

// There where bulkhead::observe is in the program or among the libraries it is started with.
extern "C" [[gnu::weak]] void bulkhead_observe_attach(
  const std::shared_ptr<bulkhead::detail::pool_core>& core);

namespace bulkhead::runtime {

namespace {

using attach_function = void (*)(const std::shared_ptr<detail::pool_core>&);

constexpr const char* library_name = "libbulkhead_observe.so.0";
constexpr const char* function_name = "bulkhead_observe_attach";

/// The file that this code is in.
std::string own_file() {
  Dl_info here{};
  if (::dladdr(reinterpret_cast<const void*>(&observe_if_asked), &here) == 0
      || here.dli_fname == nullptr)
    return {};
  return here.dli_fname;
}

/// In the program, or a library that is loaded with it; else in the library beside this one, which
/// stays loaded. Throws std::runtime_error.
attach_function find_attach() {
  if (&bulkhead_observe_attach != nullptr)
    return &bulkhead_observe_attach;
  auto* found = ::dlsym(RTLD_DEFAULT, function_name);
  if (found == nullptr) {
    const auto file = own_file();
    // Beside a program that has this library in itself lies one that would bring another copy.
    if (file.find("/libbulkhead.so") == std::string::npos)
      throw std::runtime_error("this program has the library bulkhead in itself, and not "
                               "bulkhead::observe: link that too, and make an "
                               "observe::attachable for the pool");
    const auto path = file.substr(0, file.rfind('/') + 1) + library_name;
    auto* library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr)
      throw std::runtime_error(::dlerror()); // NOLINT(concurrency-mt-unsafe): per thread in glibc
    found = ::dlsym(library, function_name);
  }
  if (found == nullptr)
    throw std::runtime_error(std::string(library_name) + " has no " + function_name
                             + "; it is of another version");
  return reinterpret_cast<attach_function>(found);
}

} // namespace

void observe_if_asked(const std::shared_ptr<detail::pool_core>& core) {
  const char* asked = std::getenv("BULKHEAD_OBSERVE"); // NOLINT(concurrency-mt-unsafe): as any
  const bool by_environment = asked != nullptr && std::string_view(asked) == "1";
  const bool by_option = core->options().observe;
  if (!by_option && !by_environment)
    return;
  try {
    find_attach()(core);
  } catch (const std::exception& e) {
    if (by_option)
      throw config_error(std::string("pool_options::observe is true, and the pool cannot be looked "
                                     "at: ")
                         + e.what());
    std::fprintf(stderr, "bulkhead: BULKHEAD_OBSERVE=1: the pool cannot be looked at: %s\n",
                 e.what());
  }
}

} // namespace bulkhead::runtime
