#include "runtime/worker/finalizer.hpp"

#include "runtime/code/shipped_call.hpp"
#include "runtime/outcome/failure_wire.hpp"

#include <unistd.h>

namespace bulkhead::runtime {

void run_finalizer(std::span<const std::byte> call, const detail::descriptor_list* brought,
                   const std::string& pool) noexcept {
  if (call.empty())
    return;
  try {
    run_call(call, brought);
  } catch (...) {
    const auto f = describe_current_exception();
    const auto line =
      "bulkhead: the finalizer of pool '" + pool + "' threw " + f.type + ": " + f.message + "\n";
    if (::write(STDERR_FILENO, line.data(), line.size()) < 0)
      return; // nowhere left to say it
  }
}

} // namespace bulkhead::runtime
