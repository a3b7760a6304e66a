#include "tools/text/problem.hpp"

#include "tools/text/shown.hpp"

#include <algorithm>
#include <tuple>

#include <fmt/format.h>

namespace bulkhead::config {

namespace {

constexpr std::size_t shown_columns = 76;

bool is_continuation(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

std::string_view line_of(std::string_view text, std::size_t line) {
  for (; line > 1; --line) {
    const auto end = text.find('\n');
    if (end == std::string_view::npos)
      return {};
    text.remove_prefix(end + 1);
  }
  text = text.substr(0, text.find('\n'));
  return text.ends_with('\r') ? text.substr(0, text.size() - 1) : text;
}

/// The byte offset of a column that counts characters.
std::size_t offset_of(std::string_view line, std::size_t column) {
  std::size_t at = 0;
  for (std::size_t seen = 1; at < line.size() && (seen < column || is_continuation(line[at])); ++at)
    if (at + 1 == line.size() || !is_continuation(line[at + 1]))
      ++seen;
  return at;
}

} // namespace

void problems::add(problem p) {
  if (std::find(settled_.begin(), settled_.end(), p.where) != settled_.end())
    return;
  if (found_.size() == most_kept) {
    ++dropped_;
    return;
  }
  for (auto* text : {&p.what, &p.expected, &p.remedy})
    *text = printable(*text);
  found_.push_back(std::move(p));
}

void problems::add_last(problem p) {
  auto where = p.where;
  add(std::move(p));
  if (settled_.size() < most_kept)
    settled_.push_back(std::move(where));
}

void problems::warn(const std::string& text) { warnings_.push_back(printable(text)); }

void problems::know_text(const std::string& source, std::string_view text) {
  texts_[source] = text;
}

std::string problems::excerpt(const place& where) const {
  const auto known = texts_.find(where.source);
  if (known == texts_.end() || where.line == 0)
    return {};
  const auto line = line_of(known->second, where.line);
  const auto at = offset_of(line, where.column);
  // A long line is shown around the place, cut between characters.
  auto begin = at > shown_columns / 2 && line.size() > shown_columns ? at - shown_columns / 2 : 0;
  while (begin > 0 && is_continuation(line[begin]))
    --begin;
  const std::string_view left = begin > 0 ? "..." : "";
  const auto part = printable(line.substr(begin, shown_columns));
  const auto caret = left.size() + columns_of(printable(line.substr(begin, at - begin)));
  return fmt::format("{:>6} | {}{}{}\n       | {:>{}}\n", where.line, left, part,
                     line.size() > begin + shown_columns ? "..." : "", '^', caret + 1);
}

std::string problems::render() const {
  auto sorted = found_;
  std::stable_sort(sorted.begin(), sorted.end(), [](const problem& a, const problem& b) {
    return std::tie(a.where.source, a.where.line, a.where.column)
           < std::tie(b.where.source, b.where.line, b.where.column);
  });
  sorted.resize(std::min(sorted.size(), most_shown));
  std::string report;
  for (const auto& p : sorted) {
    report += printable(p.where.source);
    if (p.where.line != 0)
      report += fmt::format(":{}:{}", p.where.line, p.where.column);
    report += fmt::format(": {}\n{}", p.what, excerpt(p.where));
    if (!p.expected.empty())
      report += fmt::format("  expected: {}\n", p.expected);
    if (!p.remedy.empty())
      report += fmt::format("  remedy:   {}\n", p.remedy);
  }
  if (count() > sorted.size())
    report += fmt::format("... and {} more\n", count() - sorted.size());
  return report;
}

} // namespace bulkhead::config
