#include "tools/console/report.hpp"

#include "tools/config/task_call.hpp"
#include "tools/console/signals.hpp"

#include <bulkhead/version.hpp>

#include <algorithm>

namespace bulkhead::command {

namespace {

json exit_json(const exit_status& status) {
  return {{"code", status.code},
          {"signal", status.signal},
          {"cause", std::string(to_string(status.cause))}};
}

json failure_json(const failed_task& task) {
  const auto& f = task.what;
  return {{"index", task.index},
          {"step", task.step},
          {"input",
           task.input.is_string() ? config::text_json(task.input.get<std::string>()) : task.input},
          {"kind", std::string(to_string(f.kind))},
          {"message", f.message},
          {"type", f.type},
          {"worker", f.worker},
          {"exit", exit_json(f.exit)},
          {"may_have_executed", f.may_have_executed},
          {"backtrace", f.backtrace},
          {"last_output", f.last_output}};
}

json worker_json(const worker_row& row, std::chrono::nanoseconds elapsed) {
  return {{"worker", row.worker},
          {"pid", row.pid},
          {"tasks", row.tasks},
          {"busy_seconds", seconds_of(row.busy)},
          {"busy_share", seconds_of(row.busy) / std::max(1e-9, seconds_of(elapsed))},
          {"restarts", row.restarts},
          {"recycled", row.recycled},
          {"state", row.state},
          {"progress", row.progress}};
}

json pool_json(const pool_stats& s) {
  return {{"submitted", s.submitted}, {"succeeded", s.succeeded}, {"failed", s.failed},
          {"cancelled", s.cancelled}, {"retried", s.retried},     {"requeued", s.requeued},
          {"restarts", s.restarts},   {"recycled", s.recycled},   {"bad_messages", s.bad_messages}};
}

} // namespace

json outcome_json(std::uint64_t index, const failure& f) {
  return {{"index", index},
          {"kind", std::string(to_string(f.kind))},
          {"message", f.message},
          {"type", f.type},
          {"exit", exit_json(f.exit)},
          {"may_have_executed", f.may_have_executed}};
}

json report_json(const report& r) {
  json failures = json::array();
  for (const auto& task : r.failures)
    failures.push_back(failure_json(task));
  json workers = json::array();
  for (const auto& row : r.workers)
    workers.push_back(worker_json(row, r.elapsed));
  const auto elapsed = seconds_of(r.elapsed);
  return {{"bulkhead", std::string(version())},
          {"name", r.name},
          {"task", r.task},
          {"exit_status", r.exit_status()},
          {"interrupted", r.signal == 0 ? json(nullptr) : json(signal_name(r.signal))},
          {"inputs", r.inputs},
          {"inputs_unread", r.inputs_unread},
          {"succeeded", r.succeeded},
          {"failed", r.failed},
          {"cancelled", r.cancelled},
          {"not_started", r.not_started()},
          {"from_journal", r.kept},
          {"merges", r.merges},
          {"elapsed_seconds", elapsed},
          {"tasks_per_second",
           static_cast<double>(r.succeeded + r.failed - r.kept) / std::max(1e-9, elapsed)},
          {"failures", failures},
          {"failures_by_kind", r.kinds},
          {"workers", workers},
          {"pool", pool_json(r.pool)},
          {"input_error", r.input_error.empty() ? json(nullptr) : json(r.input_error)},
          {"output_error", r.output_error.empty() ? json(nullptr) : json(r.output_error)},
          {"failed_file", r.failed_file.empty() ? json(nullptr) : json(r.failed_file)},
          {"failed_error", r.failed_error.empty() ? json(nullptr) : json(r.failed_error)},
          {"journal", r.journal_file.empty() ? json(nullptr) : json(r.journal_file)},
          {"journal_error", r.journal_error.empty() ? json(nullptr) : json(r.journal_error)},
          {"sight", r.sight.empty() ? json(nullptr) : json::parse(r.sight)},
          {"sight_error", r.sight_error.empty() ? json(nullptr) : json(r.sight_error)},
          {"result", r.result}};
}

} // namespace bulkhead::command
