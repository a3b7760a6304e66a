#include "tools/text/shown.hpp"

#include "tools/text/utf8.hpp"

#include <fmt/format.h>

namespace bulkhead::config {

std::string printable(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const auto length = utf8_length(text.substr(at));
    const auto byte = static_cast<unsigned char>(text[at]);
    if (byte == '\t')
      out += ' ';
    else if (length == 2 && byte == 0xC2 && static_cast<unsigned char>(text[at + 1]) < 0xA0)
      // U+0080 to U+009F: some terminals obey U+009B as they do ESC [.
      out += fmt::format("\\u{:04x}", static_cast<unsigned char>(text[at + 1]));
    else if (length == 0 || byte < 0x20 || byte == 0x7F)
      out += fmt::format("\\x{:02x}", byte);
    else
      out += text.substr(at, length);
    at += length == 0 ? 1 : length;
  }
  return out;
}

std::size_t columns_of(std::string_view text) {
  std::size_t columns = 0;
  for (const char c : text)
    columns += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  return columns;
}

std::string shortened(std::string_view text, std::size_t columns) {
  if (columns_of(text) <= columns)
    return std::string(text);
  if (columns <= 3)
    return std::string(columns, '.');
  std::string out;
  for (std::size_t at = 0, seen = 3; at < text.size(); ++seen) {
    const auto length = std::max<std::size_t>(1, utf8_length(text.substr(at)));
    if (seen == columns)
      break;
    out += text.substr(at, length);
    at += length;
  }
  return out + "...";
}

std::string shown(const nlohmann::json& value) {
  constexpr std::size_t columns = 60;
  // A long text is cut before it is written out: an input may have megabytes.
  if (const auto* text = value.get_ptr<const std::string*>(); text && text->size() > 8 * columns)
    return shown(nlohmann::json(text->substr(0, 8 * columns)));
  return shortened(printable(value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)),
                   columns);
}

} // namespace bulkhead::config
