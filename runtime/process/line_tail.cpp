#include "runtime/process/line_tail.hpp"

#include <algorithm>

namespace bulkhead::runtime {

namespace {

constexpr std::string_view cut_mark = " [... cut]";
constexpr std::size_t room = line_tail::max_line_bytes - cut_mark.size();

} // namespace

void line_tail::extend(std::string_view bytes) {
  if (cut_)
    return;
  partial_ += bytes.substr(0, room - partial_.size());
  if (partial_.size() < room)
    return;
  partial_ += cut_mark;
  cut_ = true;
}

void line_tail::keep() {
  kept_ += partial_;
  kept_ += '\n';
  partial_.clear();
  cut_ = false;
  // Cut only at twice the size, so that each byte is moved once on average.
  if (kept_.size() > 2 * kept_bytes)
    kept_.erase(0, kept_.size() - kept_bytes);
}

std::string line_tail::last(std::size_t max) const {
  std::string text = kept_ + partial_;
  max = std::min(max, kept_bytes);
  if (text.size() <= max)
    return text;
  const auto start = text.size() - max;
  if (text[start - 1] == '\n')
    return text.substr(start);
  const auto line = text.find('\n', start); // a line that began earlier is left out
  const bool only_line = line == std::string::npos || line + 1 == text.size();
  return text.substr(only_line ? start : line + 1);
}

} // namespace bulkhead::runtime
