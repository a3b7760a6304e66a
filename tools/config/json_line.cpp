#include "tools/config/json_line.hpp"

#include "tools/text/json_reader.hpp"
#include "tools/text/json_scanner.hpp"
#include "tools/text/line_stream.hpp"
#include "tools/text/shown.hpp"
#include "tools/text/utf8.hpp"

#include <system_error>

#include <fmt/format.h>

namespace bulkhead::config {

namespace {

constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";

/// The column of the first byte that is no text; 0 where all is well.
std::size_t column_of_no_text(std::string_view text) {
  for (std::size_t column = 1; !text.empty(); ++column) {
    const auto length = utf8_length(text);
    if (length == 0 || text[0] == '\0')
      return column;
    text.remove_prefix(length);
  }
  return 0;
}

bool has_only_comments(std::string_view text) {
  json_scanner scan{"", text};
  return scan.skip_blank() && scan.at_end();
}

} // namespace

bool is_blank(std::string_view line) noexcept {
  return line.find_first_not_of(" \t\r") == std::string_view::npos;
}

json_line read_json_line(std::uint64_t number, std::string_view text) {
  json_line made;
  if (is_blank(text))
    return made;
  if (number == 1 && text.starts_with(byte_order_mark))
    text.remove_prefix(byte_order_mark.size());
  place where{{}, number, 1};
  if (const auto column = column_of_no_text(text); column != 0) {
    where.column = column;
    made.wrong.push_back({where, "this byte is not UTF-8", "one JSON value in UTF-8",
                          "save the lines as UTF-8, or read them as texts: \"lines\""});
    return made;
  }
  if (has_only_comments(text)) {
    made.wrong.push_back({where, "there is no value", "one JSON value a line", "remove the line"});
    return made;
  }
  problems found;
  auto read = read_json({}, text, found);
  for (auto p : found.all()) {
    p.where.line = number;
    made.wrong.push_back(std::move(p));
  }
  if (read && made.wrong.empty())
    made.value = std::move(read->root);
  return made;
}

bool visit_json_lines(
  const std::filesystem::path& file, std::size_t most, std::size_t most_bytes,
  const std::function<void(std::uint64_t, const std::string&, json_line)>& visit) {
  std::error_code error;
  if (file == "-" || !std::filesystem::is_regular_file(file, error))
    return false;
  try {
    line_stream lines{most_bytes};
    lines.open(file.string());
    while (lines.lines() < most)
      if (auto line = lines.next(); !line)
        break;
      else if (!line->cut && !is_blank(line->text))
        visit(line->number, line->text, read_json_line(line->number, line->text));
    return lines.error().empty();
  } catch (const std::system_error&) {
    return false;
  }
}

std::string one_line(const problem& p, std::string_view text) {
  return fmt::format("line {}, column {}: {}; the line is: {}; expected: {}; remedy: {}",
                     p.where.line, p.where.column, p.what, shortened(printable(text), 60),
                     p.expected, p.remedy);
}

} // namespace bulkhead::config
