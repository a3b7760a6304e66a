#include "tools/config/checks.hpp"

#include <bulkhead/error.hpp>

namespace bulkhead::config {

void check_sandbox(const document& from, const sandbox_policy& wanted, problems& found) {
  try {
    check(wanted);
  } catch (const config_error& e) {
    found.add(from.value_place(pointer("/pool/sandbox")), std::string("pool.") + e.what(),
              "a sandbox that can be closed on this machine",
              "change the member it names; config/reference.jsonc tells all of them");
  }
}

} // namespace bulkhead::config
