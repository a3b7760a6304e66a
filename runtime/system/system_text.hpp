#pragma once

#include <string>
#include <string_view>

namespace bulkhead::runtime {

/// "socketpair: Too many open files (RLIMIT_NOFILE is 256)": the call, the error and, where a limit
/// is to blame, its name and value.
std::string system_text(std::string_view call, int error);

} // namespace bulkhead::runtime
