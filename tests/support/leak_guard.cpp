#include "tests/support/leak_guard.hpp"

namespace bulkhead::tests {

void leak_guard::warm_up() {}

} // namespace bulkhead::tests
