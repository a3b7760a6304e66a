#pragma once

#include <cstdint>
#include <cstdlib>
#include <string_view>

namespace bulkhead {

/// An expectation of a fuzzer; active in every build.
inline void require(bool holds) {
  if (!holds)
    std::abort();
}

/// The length of the UTF-8 sequence that a non-empty text begins with, by table 3-7 of the Unicode
/// standard; 0 where there is none. Written anew: it checks the library's own.
inline std::size_t well_formed_length(std::string_view text) {
  const auto in = [text](std::size_t i, unsigned low, unsigned high) {
    return i < text.size() && static_cast<unsigned char>(text[i]) >= low
           && static_cast<unsigned char>(text[i]) <= high;
  };
  const auto tail = [&](std::size_t i) { return in(i, 0x80, 0xbf); };
  if (in(0, 0x00, 0x7f))
    return 1;
  if (in(0, 0xc2, 0xdf))
    return tail(1) ? 2 : 0;
  if ((in(0, 0xe0, 0xe0) && in(1, 0xa0, 0xbf)) || (in(0, 0xed, 0xed) && in(1, 0x80, 0x9f))
      || ((in(0, 0xe1, 0xec) || in(0, 0xee, 0xef)) && tail(1)))
    return tail(2) ? 3 : 0;
  if ((in(0, 0xf0, 0xf0) && in(1, 0x90, 0xbf)) || (in(0, 0xf4, 0xf4) && in(1, 0x80, 0x8f))
      || (in(0, 0xf1, 0xf3) && tail(1)))
    return tail(2) && tail(3) ? 4 : 0;
  return 0;
}

/// Fit for a terminal and for JSON: UTF-8 without control characters but newline and tab.
inline bool is_printable(std::string_view text) {
  while (!text.empty()) {
    const auto c = static_cast<unsigned char>(text[0]);
    const auto length = well_formed_length(text);
    if (length == 0 || c == 0x7f || (c < 0x20 && c != '\n' && c != '\t'))
      return false;
    text.remove_prefix(length);
  }
  return true;
}

} // namespace bulkhead
