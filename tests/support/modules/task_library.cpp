#include <bulkhead/detail/ship.hpp>
#include <bulkhead/task.hpp>

#include <string>

namespace {

int hidden_twice(int x) { return 2 * x; }

} // namespace

BULKHEAD_TASK("library_twice", hidden_twice)
BULKHEAD_TASK("library_greet", [](const std::string& name) { return "hello " + name; })

/// How the host of the tests learns of a function that no symbol names.
extern "C" [[gnu::visibility("default")]] const void* library_code() {
  return reinterpret_cast<const void*>(&hidden_twice);
}
