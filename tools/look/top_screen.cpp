#include "tools/look/top_screen.hpp"

#include "tools/text/shown.hpp"

#include <algorithm>
#include <array>
#include <functional>
#include <sstream>

#include <fmt/format.h>

namespace bulkhead::command {

namespace {

using look = screen_line::look;
using lines = std::vector<screen_line>;

std::string seconds_text(double s) {
  return s < 1e-3  ? fmt::format("{:.0f}us", s * 1e6)
         : s < 1   ? fmt::format("{:.0f}ms", s * 1e3)
         : s < 600 ? fmt::format("{:.1f}s", s)
                   : fmt::format("{:.0f}min", s / 60);
}

struct column {
  const char* name;
  int width; ///< negative: to the left
  std::function<std::string(const json&)> text;
  std::function<double(const json&)> key; ///< the greatest first; none: the text's order
};

double number(const json& of, const char* name) { return of.value(name, 0.0); }

const std::array<column, 9>& columns() {
  static const std::array<column, 9> all{{
    {"worker", 8,
     [](const json& w) {
       return (w["kind"] == "actors" ? "a" : "") + std::to_string(w["id"].get<int>());
     },
     [](const json& w) { return -number(w, "id"); }},
    {"pid", 8, [](const json& w) { return std::to_string(w["pid"].get<int>()); },
     [](const json& w) { return -number(w, "pid"); }},
    {"state", -9, [](const json& w) { return w["state"].get<std::string>(); }, {}},
    {"runs", -24, [](const json& w) { return w["running"].get<std::string>(); }, {}},
    {"for", 8,
     [](const json& w) {
       return w["task"] == 0 ? std::string{} : seconds_text(number(w, "runs_seconds"));
     },
     [](const json& w) { return number(w, "runs_seconds"); }},
    {"done", 9, [](const json& w) { return std::to_string(w["tasks_done"].get<std::uint64_t>()); },
     [](const json& w) { return number(w, "tasks_done"); }},
    {"CPU", 6, [](const json& w) { return fmt::format("{:.0f}%", number(w, "cpu") * 100); },
     [](const json& w) { return number(w, "cpu"); }},
    {"memory", 9,
     [](const json& w) { return fmt::format("{:.1f}M", number(w, "rss_bytes") / 1048576); },
     [](const json& w) { return number(w, "rss_bytes"); }},
    {"files", 6, [](const json& w) { return std::to_string(w["descriptors"].get<int>()); },
     [](const json& w) { return number(w, "descriptors"); }},
  }};
  return all;
}

std::string cell(const std::string& text, int width) {
  const auto room = static_cast<std::size_t>(std::abs(width)) - 1;
  const auto shown = config::printable(text).substr(0, room);
  return width < 0 ? fmt::format(" {:<{}}", shown, room) : fmt::format(" {:>{}}", shown, room);
}

std::string row_of(const json& worker) {
  std::string row;
  for (const auto& c : columns())
    row += cell(c.text(worker), c.width);
  return row;
}

void add_head(lines& to, const json& pool) {
  const auto& s = pool["stats"];
  const auto busy =
    std::count_if(pool["workers"].begin(), pool["workers"].end(),
                  [](const json& w) { return w["state"] == "busy" && w["kind"] == "tasks"; });
  const auto n = [&](const char* name) { return s[name].get<std::uint64_t>(); };
  to.push_back(
    {fmt::format("pool '{}' of pid {}{}", config::printable(pool["pool"].get<std::string>()),
                 pool["host"].get<int>(), pool["ended"].get<bool>() ? "  ENDED" : ""),
     look::head});
  to.push_back(
    {fmt::format("tasks: {} of {} ended, {} failed, {} waiting, {} in flight, {:.0f}/s",
                 n("succeeded") + n("failed") + n("cancelled"), n("submitted"), n("failed"),
                 n("queued"), n("in_flight"), number(pool, "tasks_a_second")),
     look::plain});
  to.push_back(
    {fmt::format("workers: {} busy of {}, {} restarts, {} recycled, {} actors", busy,
                 pool["workers"].size(), n("restarts"), n("recycled"), pool["actors"].size()),
     look::plain});
}

lines worker_lines(const json& pool, const top_view& view) {
  lines all;
  std::string head;
  for (std::size_t i = 0; i < columns().size(); ++i)
    head +=
      cell(std::string(columns()[i].name) + (i == view.sorted_by ? "*" : ""), columns()[i].width);
  all.push_back({head, look::head});
  const auto workers = shown_workers(pool, view);
  for (std::size_t i = 0; i < workers.size(); ++i)
    all.push_back({row_of(workers[i]), i == view.selected              ? look::chosen
                                       : workers[i]["state"] == "dead" ? look::bad
                                                                       : look::plain});
  return all;
}

lines failure_lines(const json& pool, const top_view& view) {
  lines all{{" task                     number  worker  failure", look::head}};
  const auto& list = pool["failures"];
  for (std::size_t i = 0; i < list.size(); ++i) {
    const auto& f = list[list.size() - 1 - i];
    const auto message = f["message"].get<std::string>();
    all.push_back({fmt::format(" {:<22} {:>8} {:>7}  {}: {}",
                               config::printable(f["name"].get<std::string>()).substr(0, 22),
                               f["task"].get<std::uint64_t>(), f["worker"].get<int>(),
                               f["kind"].get<std::string>(),
                               config::printable(message.substr(0, message.find('\n')))),
                   i == view.selected ? look::chosen : look::plain});
  }
  return all;
}

lines event_lines(const json& pool) {
  lines all{{" event", look::head}};
  const auto& list = pool["events"];
  for (std::size_t i = 0; i < list.size(); ++i) {
    const auto& e = list[list.size() - 1 - i];
    all.push_back({fmt::format(" {:<12} {}", e["kind"].get<std::string>(),
                               config::printable(e["text"].get<std::string>())),
                   e["kind"] == "died" ? look::bad : look::plain});
  }
  return all;
}

lines actor_lines(const json& pool) {
  lines all{{" actor (supervisor/name)             worker     pid  mailbox  messages  restarts",
             look::head}};
  std::vector<std::string> rows;
  for (const auto& a : pool["actors"]) {
    const auto above = a["supervisor"].get<std::string>();
    const auto name = a["name"].get<std::string>();
    const auto own = name.empty() ? a["type"].get<std::string>() : name;
    const auto whole = above.empty() ? own : fmt::format("{}/{}", above, own);
    rows.push_back(
      fmt::format(" {:<35} {:>6} {:>7} {:>8} {:>9} {:>9}", config::printable(whole).substr(0, 35),
                  a["worker"].get<int>(), a["pid"].get<int>(), a["mailbox"].get<std::uint64_t>(),
                  a["messages"].get<std::uint64_t>(), a["restarts"].get<std::uint64_t>()));
  }
  std::sort(rows.begin(), rows.end()); // children below their supervisors
  for (auto& row : rows)
    all.push_back({std::move(row), look::plain});
  return all;
}

lines text_lines(const std::string& text) {
  lines all;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);)
    all.push_back({config::printable(line), look::plain});
  return all;
}

constexpr const char* help_text = R"(q          ends top
up, down   selects a row; j and k do too
enter      the whole failure that is selected
s          the stack of the selected worker, now
l          the last lines that the selected worker wrote
x          kills the selected worker: another one takes its place
+ and -    one worker more, one less
d          drains the pool: it takes no more tasks and ends what it has
o          sorts by the next column
/          shows only workers with a text; enter ends the typing
w f e a    workers, failures, events, actors
p          the next pool of the program)";

lines body_of(const json& pool, const top_view& view) {
  switch (view.shown) {
  case top_view::page::failures:
    return failure_lines(pool, view);
  case top_view::page::events:
    return event_lines(pool);
  case top_view::page::actors:
    return actor_lines(pool);
  case top_view::page::text:
    return text_lines(view.text);
  case top_view::page::help:
    return text_lines(help_text);
  default:
    return worker_lines(pool, view);
  }
}

std::string foot_of(const top_view& view) {
  if (view.typing)
    return "filter: " + config::printable(view.filter) + '_';
  if (!view.note.empty())
    return config::printable(view.note);
  return "q quit  w workers  f failures  e events  a actors  s stack  l output  x restart  h help"
         + (view.filter.empty() ? std::string{} : "  filter: " + config::printable(view.filter));
}

} // namespace

std::size_t top_columns() noexcept { return columns().size(); }

std::vector<json> shown_workers(const json& pool, const top_view& view) {
  std::vector<json> workers;
  for (const auto& w : pool["workers"])
    if (view.filter.empty() || row_of(w).find(view.filter) != std::string::npos)
      workers.push_back(w);
  const auto& by = columns().at(view.sorted_by);
  std::stable_sort(workers.begin(), workers.end(), [&](const json& a, const json& b) {
    return by.key ? by.key(a) > by.key(b) : by.text(a) < by.text(b);
  });
  return workers;
}

std::vector<screen_line> top_screen(const json& pool, const top_view& view, std::size_t width,
                                    std::size_t height) {
  lines all;
  add_head(all, pool);
  all.push_back({"", look::plain});
  auto body = body_of(pool, view);
  const auto room = height > all.size() + 1 ? height - all.size() - 1 : 0;
  // The selected row stays in sight, below the head of its table.
  const auto selected = view.selected + 1;
  const bool at_end = view.shown == top_view::page::text && view.from_end && body.size() > room;
  const auto from = at_end                         ? body.size() - room
                    : selected >= room && room > 1 ? selected - room + 1
                                                   : 0;
  for (std::size_t i = 0; i < room; ++i) {
    const auto at = i == 0 ? 0 : i + from;
    all.push_back(at < body.size() ? body[at] : screen_line{});
  }
  all.push_back({foot_of(view), look::dim});
  all.resize(std::min(all.size(), height));
  for (auto& line : all)
    line.text = line.text.substr(0, width);
  return all;
}

} // namespace bulkhead::command
