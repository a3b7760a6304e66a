#include <bulkhead/observe/report.hpp>

#include "observe/output/report_parts.hpp"
#include "observe/output/snapshot_json.hpp"
#include "observe/output/words.hpp"

#include <bulkhead/version.hpp>

#include <algorithm>
#include <ctime>

// The report is one file without scripts: what happened stands in its text and plots, so that it
// can be read, sent and kept for years.
namespace bulkhead::observe {

namespace {

using namespace detail;
using rows = std::vector<std::vector<std::string>>;

constexpr std::size_t most_listed = 20;

constexpr const char* head = R"(<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<style>
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 1rem auto; padding: 0 1rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .15rem .8rem .15rem 0; border-bottom: 1px solid #8886; vertical-align: top; }
.wide { overflow-x: auto; }
svg { width: 100%; max-width: 640px; display: block; margin: .6rem 0; }
svg text { font-size: 11px; fill: currentColor; } svg rect { fill: #3b7dd8; }
svg polyline { fill: none; stroke: #3b7dd8; stroke-width: 1.5; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; background: #8881; padding: .5rem; }
summary { overflow-wrap: anywhere; }
</style>
)";

std::string date_of(std::chrono::system_clock::time_point at) {
  const auto time = std::chrono::system_clock::to_time_t(at);
  std::tm parts{};
  ::gmtime_r(&time, &parts);
  char text[40];
  std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S UTC", &parts);
  return text;
}

std::string number(double n) { return std::to_string(static_cast<std::uint64_t>(n)); }

std::string summary_of(const snapshot& s, const report_notes& notes) {
  const auto took = s.history.empty() ? 0.0 : seconds_of(s.history.back().at);
  const auto ended = s.stats.succeeded + s.stats.failed + s.stats.cancelled;
  rows all{{"what", "value"},
           {"began", date_of(s.began)},
           {"took", time_text(took)},
           {"tasks", std::to_string(s.stats.submitted)},
           {"succeeded", std::to_string(s.stats.succeeded)},
           {"failed", std::to_string(s.stats.failed)},
           {"cancelled", std::to_string(s.stats.cancelled)},
           {"tasks a second", number(took > 0 ? static_cast<double>(ended) / took : 0)},
           {"workers replaced because they died", std::to_string(s.stats.restarts)},
           {"workers recycled", std::to_string(s.stats.recycled)}};
  for (const auto& [cause, count] : s.deaths)
    all.push_back({"deaths: " + cause, std::to_string(count)});
  if (s.unseen != 0)
    all.push_back({"outcomes too fast to be looked at", std::to_string(s.unseen)});
  for (const auto& [name, value] : notes)
    all.push_back({name, value});
  all.push_back({"Bulkhead", std::string(version())});
  return "<h2>Summary</h2>\n" + html_table(all);
}

std::string tasks_of(const snapshot& s) {
  rows all{{"task", "succeeded", "failed", "cancelled", "median", "95 %", "in all", "median wait"}};
  for (const auto& t : s.tasks)
    all.push_back({t.name, std::to_string(t.succeeded), std::to_string(t.failed),
                   std::to_string(t.cancelled), time_text(t.run.quantile(0.5)),
                   time_text(t.run.quantile(0.95)), time_text(t.run.sum_seconds()),
                   time_text(t.wait.quantile(0.5))});
  return "<h2>Run times</h2>\n" + bars(s.tasks) + html_table(all);
}

std::string workers_of(const snapshot& s) {
  rows all{{"worker", "pid", "kind", "state", "tasks", "busy", "busy share", "CPU time", "memory"}};
  for (const auto& w : s.workers) {
    const auto lived = std::max(1e-9, unix_seconds(s.taken) - unix_seconds(w.worker.started_at));
    const auto share = std::min(1.0, seconds_of(w.worker.busy) / lived);
    all.push_back({std::to_string(w.worker.id), std::to_string(w.worker.pid),
                   std::string(to_string(w.worker.kind)), std::string(to_string(w.worker.state)),
                   std::to_string(w.worker.tasks_done), time_text(seconds_of(w.worker.busy)),
                   number(share * 100) + " %", time_text(w.cpu_seconds),
                   detail::size_text(static_cast<double>(w.worker.rss_bytes))});
  }
  return "<h2>Workers, as they were last</h2>\n" + html_table(all);
}

std::string slowest_of(const snapshot& s) {
  auto slices = s.slices;
  const auto most = std::min(most_listed, slices.size());
  std::partial_sort(
    slices.begin(), slices.begin() + static_cast<std::ptrdiff_t>(most), slices.end(),
    [](const auto& a, const auto& b) { return a.ended - a.began > b.ended - b.began; });
  rows all{{"task", "number", "items", "took", "waited", "worker", "outcome"}};
  for (std::size_t i = 0; i < most; ++i) {
    const auto& t = slices[i];
    all.push_back({t.name, std::to_string(t.task), std::to_string(t.items),
                   time_text(seconds_of(t.ended - t.began)), time_text(seconds_of(t.waited)),
                   std::to_string(t.worker), std::string(word_of(t.result))});
  }
  return "<h2>The slowest of the last " + std::to_string(s.slices.size()) + "</h2>\n"
         + html_table(all);
}

std::string failures_of(const snapshot& s) {
  if (s.failures.empty())
    return "<h2>Failures</h2>\n<p>none</p>\n";
  std::string text = "<h2>Failures, the last " + std::to_string(s.failures.size()) + "</h2>\n";
  for (const auto& f : s.failures)
    text += "<details><summary><b>" + escaped(to_string(f.what.kind)) + "</b> " + escaped(f.name)
            + ", task " + std::to_string(f.task) + ": "
            + escaped(f.what.message.substr(0, f.what.message.find('\n'))) + "</summary><pre>"
            + escaped(to_string(f.what)) + "</pre></details>\n";
  return text;
}

std::string events_of(const snapshot& s) {
  rows all{{"after", "event", "what"}};
  for (const auto& e : s.events)
    all.push_back(
      {time_text(seconds_of(e.since_begin)), std::string(word_of(e.event.kind)), e.event.text});
  return "<h2>Events</h2>\n" + html_table(all);
}

} // namespace

std::string report_html(const snapshot& of, const report_notes& notes) {
  const auto name = of.pool.empty() ? std::string{"pool"} : of.pool;
  const auto figure = [](auto member) {
    return [member](const point& p) { return static_cast<double>(p.*member); };
  };
  return head + ("<title>" + escaped(name) + " – Bulkhead</title></head><body>\n<h1>")
         + escaped(name) + "</h1>\n" + summary_of(of, notes) + "<h2>Progress</h2>\n"
         + plot(of.history, "tasks ended", figure(&point::done), number)
         + plot(of.history, "tasks waiting", figure(&point::queued), number)
         + plot(of.history, "workers busy", figure(&point::busy), number)
         + plot(of.history, "memory of all workers", figure(&point::rss_bytes), detail::size_text)
         + tasks_of(of) + workers_of(of) + slowest_of(of) + failures_of(of) + events_of(of)
         + "</body></html>\n";
}

std::string report_json(const snapshot& of) { return text_of(to_json(of)); }

} // namespace bulkhead::observe
