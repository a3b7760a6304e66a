#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <typeinfo>

// The cold side of the codec: each throws codec_error with the type's name and what was wrong.
namespace bulkhead::detail {

[[noreturn]] void throw_too_short(const std::type_info& type, std::size_t needed,
                                  std::size_t remaining);
[[noreturn]] void throw_bad_count(const std::type_info& type, std::uint64_t count,
                                  std::size_t least_bytes_each, std::size_t remaining);
[[noreturn]] void throw_over_budget(const std::type_info& type, std::uint64_t count,
                                    std::size_t bytes_each, std::size_t budget);
[[noreturn]] void throw_too_deep(const std::type_info& type, std::size_t limit);
[[noreturn]] void throw_no_descriptor(const std::type_info& type);
[[noreturn]] void throw_trailing(std::size_t remaining);
/// `what` completes "cannot decode T: ..." or "cannot encode T: ...".
[[noreturn]] void throw_undecodable(const std::type_info& type, std::string_view what);
[[noreturn]] void throw_unencodable(const std::type_info& type, std::string_view what);

} // namespace bulkhead::detail
