#include "tools/console/table.hpp"

#include "tools/text/shown.hpp"

#include <algorithm>
#include <cctype>

#include <fmt/format.h>

namespace bulkhead::command {

namespace {

/// A column is one of numbers where its first entry begins with a digit or is "-".
bool holds_numbers(const std::vector<std::vector<std::string>>& rows, std::size_t column) {
  if (rows.size() < 2)
    return false;
  const auto& entry = rows[1][column];
  return entry == "-"
         || (!entry.empty() && std::isdigit(static_cast<unsigned char>(entry[0])) != 0);
}

} // namespace

std::string table::text() const {
  const auto columns = rows_[0].size();
  std::vector<std::size_t> widths(columns);
  for (const auto& row : rows_)
    for (std::size_t i = 0; i < columns; ++i)
      widths[i] = std::max(widths[i], config::columns_of(row[i]));
  std::string out;
  for (const auto& row : rows_) {
    std::string line;
    for (std::size_t i = 0; i < columns; ++i)
      line += fmt::format(fmt::runtime(holds_numbers(rows_, i) ? "  {:>{}}" : "  {:<{}}"), row[i],
                          widths[i]);
    line.erase(line.find_last_not_of(' ') + 1);
    out += line.substr(2) + '\n';
  }
  return out;
}

} // namespace bulkhead::command
