#include "observe/output/report_parts.hpp"

#include "observe/output/words.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

namespace bulkhead::observe::detail {

namespace {

constexpr double plot_width = 640;
constexpr double plot_height = 90;

template <class... Numbers>
std::string format(const char* how, Numbers... numbers) {
  std::array<char, 160> text{};
  std::snprintf(text.data(), text.size(), how, numbers...);
  return text.data();
}

} // namespace

std::string escaped(std::string_view text) {
  std::string safe;
  for (const char c : as_utf8(text)) {
    switch (c) {
    case '&':
      safe += "&amp;";
      break;
    case '<':
      safe += "&lt;";
      break;
    case '>':
      safe += "&gt;";
      break;
    case '"':
      safe += "&quot;";
      break;
    default:
      safe += c;
    }
  }
  return safe;
}

std::string time_text(double seconds) {
  if (seconds < 1e-3)
    return format("%.0f µs", seconds * 1e6);
  if (seconds < 1)
    return format("%.1f ms", seconds * 1e3);
  if (seconds < 120)
    return format("%.1f s", seconds);
  return seconds < 7200 ? format("%.1f min", seconds / 60) : format("%.1f h", seconds / 3600);
}

std::string size_text(double bytes) {
  constexpr double mib = 1 << 20;
  return bytes < 1024 * mib ? format("%.1f MiB", bytes / mib)
                            : format("%.2f GiB", bytes / mib / 1024);
}

std::string plot(const std::vector<point>& history, const std::string& name,
                 const std::function<double(const point&)>& figure,
                 const std::function<std::string(double)>& shown) {
  double top = 0;
  for (const auto& p : history)
    top = std::max(top, figure(p));
  const auto span = history.empty()
                      ? 1.0
                      : std::max(1e-9, std::chrono::duration<double>(history.back().at).count());
  const auto title = escaped(name) + ", at most " + escaped(shown(top));
  std::string svg = format("<svg viewBox=\"0 0 %.0f %.0f\" role=\"img\" aria-label=\"", plot_width,
                           plot_height + 20)
                    + title + "\"><text x=\"0\" y=\"12\">" + title + "</text><polyline points=\"";
  for (const auto& p : history)
    svg += format("%.1f,%.1f ", std::chrono::duration<double>(p.at).count() / span * plot_width,
                  18 + plot_height - (top > 0 ? figure(p) / top : 0) * plot_height);
  return svg + "\"/></svg>\n";
}

std::string bars(const std::vector<task_sight>& tasks) {
  std::array<std::uint64_t, histogram::bounds.size() + 1> sums{};
  for (const auto& t : tasks)
    for (std::size_t i = 0; i < sums.size(); ++i)
      sums[i] += t.run.counts()[i];
  const auto used = [](std::uint64_t n) { return n != 0; };
  const auto first = std::find_if(sums.begin(), sums.end(), used) - sums.begin();
  const auto last = sums.rend() - std::find_if(sums.rbegin(), sums.rend(), used);
  const auto top = static_cast<double>(std::max<std::uint64_t>(1, *std::ranges::max_element(sums)));
  const auto step = plot_width / static_cast<double>(std::max<std::ptrdiff_t>(1, last - first));
  const auto every = last - first > 8 ? 2 : 1; // a bound in words is wider than a narrow bar
  std::string svg = format("<svg viewBox=\"0 0 %.0f %.0f\" role=\"img\" "
                           "aria-label=\"Tasks by run time\">",
                           plot_width, plot_height + 36);
  for (auto i = first; i < last; ++i) {
    const auto at = static_cast<std::size_t>(i);
    const auto height = static_cast<double>(sums[at]) / top * plot_height;
    const auto x = static_cast<double>(i - first) * step;
    svg += format("<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>", x + 1,
                  plot_height + 16 - height, step - 2, height)
           + format("<text x=\"%.1f\" y=\"%.1f\">", x + 1, plot_height + 12 - height)
           + std::to_string(sums[at]) + "</text>";
    if ((i - first) % every == 0)
      svg += format("<text x=\"%.1f\" y=\"%.0f\">", x + 1, plot_height + 32)
             + (at < histogram::bounds.size() ? "≤ " + time_text(histogram::bounds[at]) : "more")
             + "</text>";
  }
  return svg + "</svg>\n";
}

std::string html_table(const std::vector<std::vector<std::string>>& rows) {
  std::string text = "<div class=\"wide\"><table>\n";
  for (const auto& row : rows) {
    const bool head = &row == &rows.front();
    text += "<tr>";
    for (const auto& cell : row)
      text += (head ? "<th scope=\"col\">" : "<td>") + escaped(cell) + (head ? "</th>" : "</td>");
    text += "</tr>\n";
  }
  return text + "</table></div>\n";
}

} // namespace bulkhead::observe::detail
