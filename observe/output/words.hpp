#pragma once

#include <bulkhead/observe/snapshot.hpp>

#include <string>
#include <string_view>

namespace bulkhead::observe::detail {

std::string_view word_of(event_kind kind) noexcept;
std::string_view word_of(task_result result) noexcept;

/// Bytes of another process as UTF-8: what is none is replaced by U+FFFD.
std::string as_utf8(std::string_view bytes);

} // namespace bulkhead::observe::detail
