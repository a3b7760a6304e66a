#include "tools/console/report.hpp"

#include "tools/console/signals.hpp"
#include "tools/console/table.hpp"
#include "tools/text/shown.hpp"

#include <algorithm>
#include <csignal>

#include <fmt/format.h>

namespace bulkhead::command {

namespace {

using config::printable;
using config::shortened;

std::string duration_text(std::chrono::nanoseconds time) {
  const auto seconds = seconds_of(time);
  if (seconds < 1)
    return fmt::format("{:.0f} ms", seconds * 1000);
  return seconds < 100 ? fmt::format("{:.2f} s", seconds) : fmt::format("{:.0f} s", seconds);
}

/// Several lines, each printable and indented.
std::string block(std::string_view text, std::string_view indent) {
  std::string out;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    out += fmt::format("{}{}\n", indent, printable(text.substr(0, end)));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

std::string failure_text(const failed_task& task) {
  const auto where = task.step == "map"
                       ? fmt::format("input {} ({})", task.index, config::shown(task.input))
                       : task.step;
  const auto& f = task.what;
  auto text = fmt::format("  {}: {}\n", where, to_string(f.kind));
  text += block(f.type.empty() ? f.message : f.type + ": " + f.message, "      ");
  if (f.exit.cause != exit_cause::none && f.message.find(to_string(f.exit)) == std::string::npos)
    text += fmt::format("      worker {}: {}\n", f.worker, to_string(f.exit));
  text += block(shortened(f.backtrace, 2000), "      | ");
  text += block(shortened(f.last_output, 2000), "      > ");
  return text;
}

std::string failures_text(const report& r) {
  if (r.failures.empty())
    return {};
  std::string kinds;
  for (const auto& [kind, count] : r.kinds)
    kinds += fmt::format("{}{} {}", kinds.empty() ? "" : ", ", count, kind);
  auto text = fmt::format("failures: {}\n", kinds);
  for (const auto& task : r.failures)
    text += failure_text(task);
  const auto total = r.failed + (r.reduce_failed ? 1 : 0);
  if (total > r.failures.size())
    text += fmt::format("  ... and {} more\n", total - r.failures.size());
  return text + "\n";
}

std::string state_text(const worker_row& row) {
  if (row.progress <= 0)
    return row.state;
  return fmt::format("{}, its task at {:.0f}%", row.state, 100 * row.progress);
}

std::string workers_text(const report& r) {
  if (r.workers.empty())
    return {};
  table t{{"worker", "pid", "tasks", "busy", "restarts", "recycled", "state"}};
  for (const auto& row : r.workers) {
    const auto share = 100 * seconds_of(row.busy) / std::max(1e-9, seconds_of(r.elapsed));
    t.add({std::to_string(row.worker), row.pid == 0 ? "-" : std::to_string(row.pid),
           std::to_string(row.tasks), fmt::format("{:.1f}%", share), std::to_string(row.restarts),
           std::to_string(row.recycled), state_text(row)});
  }
  return t.text() + "\n";
}

std::string problems_text(const report& r) {
  std::string text;
  if (r.signal != 0)
    text +=
      fmt::format("interrupted by {}\n", r.signal == SIGINT ? "Ctrl-C" : signal_name(r.signal));
  if (!r.input_error.empty())
    text += fmt::format("the inputs could not be read further: {}\n", r.input_error);
  else if (r.inputs_unread)
    text += "the inputs were not read to their end\n";
  if (!r.output_error.empty())
    text += fmt::format("the results could not be written: {}\n", r.output_error);
  text += r.sight_error;
  if (!r.journal_error.empty())
    text += fmt::format("the journal {} went no further: {}\n", printable(r.journal_file),
                        printable(r.journal_error));
  else if (!r.journal_file.empty() && (r.cancelled != 0 || r.not_started() != 0 || r.inputs_unread))
    text += fmt::format("--journal {} goes on from here\n", printable(r.journal_file));
  if (!r.failed_error.empty())
    text += fmt::format("the failed inputs could not be written: {}\n", r.failed_error);
  else if (!r.failed_file.empty() && r.failed + r.cancelled != 0)
    text +=
      fmt::format("failed inputs are in {}; --retry runs them again\n", printable(r.failed_file));
  return text;
}

std::string summary_text(const report& r) {
  const auto done = r.succeeded + r.failed - r.kept;
  const auto rate = static_cast<double>(done) / std::max(1e-9, seconds_of(r.elapsed));
  auto text = fmt::format("{}: {} succeeded, {} failed",
                          printable(r.name.empty() ? r.task : r.name), r.succeeded, r.failed);
  if (r.kept != 0)
    text += fmt::format(" ({} of them before)", r.kept);
  if (r.cancelled != 0)
    text += fmt::format(", {} cancelled", r.cancelled);
  if (r.not_started() != 0)
    text += fmt::format(", {} not started", r.not_started());
  text += fmt::format(" of {} in {} ({:.0f} tasks/s", r.inputs, duration_text(r.elapsed), rate);
  text += r.merges != 0 ? fmt::format(", {} merges)\n", r.merges) : ")\n";
  return text + problems_text(r);
}

} // namespace

int report::exit_status() const noexcept {
  if (signal != 0)
    return 128 + signal;
  return failed == 0 && cancelled == 0 && not_started() == 0 && !reduce_failed
             && output_error.empty() && failed_error.empty() && sight_error.empty()
             && journal_error.empty() && input_error.empty() && !inputs_unread
           ? 0
           : 1;
}

std::string result_text(const json& result) {
  if (result.is_null())
    return {};
  if (!result.is_string())
    return result.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
  auto text = result.get<std::string>();
  if (!text.ends_with('\n'))
    text += '\n';
  return text;
}

std::string short_report_text(const report& r) { return result_text(r.result) + problems_text(r); }

std::string report_text(const report& r) {
  const auto result = result_text(r.result);
  return result + (result.empty() ? "" : "\n") + failures_text(r) + workers_text(r)
         + summary_text(r);
}

} // namespace bulkhead::command
