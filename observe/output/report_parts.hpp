#pragma once

#include <bulkhead/observe/snapshot.hpp>

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace bulkhead::observe::detail {

/// Text for between tags and in quotes, as UTF-8.
std::string escaped(std::string_view text);

/// "1.5 ms", "12.0 s", "3.2 min"; "96.0 MiB".
std::string time_text(double seconds);
std::string size_text(double bytes);

/// An SVG line of one figure over time, with its name and greatest value.
std::string plot(const std::vector<point>& history, const std::string& name,
                 const std::function<double(const point&)>& figure,
                 const std::function<std::string(double)>& shown);

/// An SVG of bars: how many tasks took how long.
std::string bars(const std::vector<task_sight>& tasks);

/// Rows of cells, the first one as head. Cells are escaped.
std::string html_table(const std::vector<std::vector<std::string>>& rows);

} // namespace bulkhead::observe::detail
