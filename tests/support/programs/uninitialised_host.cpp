// uninitialised_host: lacks init; prints what the first use of a process says.

#include <bulkhead/error.hpp>
#include <bulkhead/process.hpp>

#include <cstdio>

int main() {
  bulkhead::process child{[] {}};
  try {
    child.start();
  } catch (const bulkhead::config_error& e) {
    std::printf("%s", e.what());
    return 3;
  }
  return 0;
}
