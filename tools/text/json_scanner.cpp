#include "tools/text/json_scanner.hpp"

#include <cctype>

namespace bulkhead::config {

char json_scanner::take() {
  const char c = rest_[0];
  rest_.remove_prefix(1);
  if (c == '\n') {
    ++here_.line;
    here_.column = 1;
  } else if (rest_.empty() || (static_cast<unsigned char>(rest_[0]) & 0xC0) != 0x80)
    ++here_.column; // a character ends where no continuation byte follows
  return c;
}

bool json_scanner::take_if(std::string_view word) {
  if (!rest_.starts_with(word))
    return false;
  for (std::size_t i = 0; i < word.size(); ++i)
    take();
  return true;
}

std::string_view json_scanner::take_word() {
  const auto begin = rest_;
  const auto belongs = [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '_' || c == '.' || c == '+' || c == '-' || c >= 0x80;
  };
  while (!rest_.empty() && belongs(static_cast<unsigned char>(rest_[0])))
    take();
  return begin.substr(0, begin.size() - rest_.size());
}

bool json_scanner::skip_blank() {
  while (!rest_.empty()) {
    if (peek() == ' ' || peek() == '\t' || peek() == '\r' || peek() == '\n') {
      take();
    } else if (rest_.starts_with("//")) {
      while (!rest_.empty() && peek() != '\n')
        take();
    } else if (rest_.starts_with("/*")) {
      const auto end = rest_.find("*/", 2);
      if (end == std::string_view::npos)
        return false;
      for (auto bytes = end + 2; bytes > 0; --bytes)
        take();
    } else
      return true;
  }
  return true;
}

} // namespace bulkhead::config
