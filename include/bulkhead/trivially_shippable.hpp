#pragma once

namespace bulkhead {

/// Specialise to true for a trivially copyable type that holds no pointer although the compiler
/// cannot see it (a union, a class without a constexpr constructor): its bytes then travel as
/// they are. A promise, not a check: a pointer in there points into another process.
///
///     template <> inline constexpr bool bulkhead::trivially_shippable<my_union> = true;
template <class T>
inline constexpr bool trivially_shippable = false;

} // namespace bulkhead
