#pragma once

#include <string_view>

namespace bulkhead::command {

/// Writes all of a text. False, with errno, where that failed: a full disk, a closed pipe.
bool write_out(int fd, std::string_view text);

} // namespace bulkhead::command
