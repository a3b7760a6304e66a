#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace bulkhead::config {

/// Length of the well-formed UTF-8 character at the beginning of a non-empty text; 0 where there
/// is none: stray or missing continuation bytes, overlong forms, surrogates, beyond U+10FFFF.
std::size_t utf8_length(std::string_view text);

/// Whether the bytes are well-formed UTF-8 as a whole.
bool is_text(std::string_view bytes);

/// The bytes as RFC 4648 writes them, with padding.
std::string base64(std::string_view bytes);

/// The reverse; empty where the text is none.
std::optional<std::string> from_base64(std::string_view text);

/// Appends one code point, which must be a Unicode scalar value.
void append_utf8(std::string& to, std::uint32_t code_point);

} // namespace bulkhead::config
