#pragma once

namespace bulkhead::detail {

#if defined(BULKHEAD_HOOKS) && BULKHEAD_HOOKS
/// The environment variable BULKHEAD_BREAK names this check.
bool is_broken(const char* check) noexcept;

/// A check of what another process says: true when the condition holds. In builds with hook points
/// a test can make one check count as passed, to see that its absence would be noticed; in all
/// others it is the condition alone.
inline bool validated(const char* check, bool holds) noexcept { return holds || is_broken(check); }
#else
constexpr bool validated(const char*, bool holds) noexcept { return holds; }
#endif

} // namespace bulkhead::detail
