#include "observe/output/words.hpp"
#include "tools/config/task_call.hpp"
#include "tools/job/job_run.hpp"
#include "tools/text/shown.hpp"

#include <utility>

#include <fmt/format.h>

// What becomes of outcomes and events.
namespace bulkhead::command {

namespace {

constexpr std::size_t most_deaths_told = 10;

} // namespace

void job_run::take_outcomes() {
  auto arrived = arrivals_->take();
  for (const auto& event : arrived.events)
    on_event(event);
  for (auto& c : arrived.outcomes)
    on_outcome(std::move(c));
  if (journal_)
    journal_->flush();
  const auto* oldest = feeder_.oldest();
  const auto waited = oldest != nullptr ? oldest->first : feeder_.fed();
  if (std::exchange(oldest_, waited) != waited)
    oldest_since_ = clock::now();
}

void job_run::on_outcome(completion c) {
  if (c.from == stage::map)
    on_map_outcome(std::move(c));
  else if (reducer_) // there is one, or nothing was merged
    reducer_->on_completion(std::move(c));
}

void job_run::on_map_outcome(completion c) {
  auto input = feeder_.take_input(c.item);
  if (journal_)
    journal_->put(c, input);
  report_.kept += c.kept ? 1 : 0;
  config::json line{
    {"input", input.is_string() ? config::text_json(input.get<std::string>()) : input}};
  if (!c.failed && results_.wanted()) {
    try {
      line["result"] = config::to_json(task_.result_to_value(c.result.bytes()));
    } catch (const error& e) {
      c.failed = e.info();
    }
  }
  if (c.failed) {
    line["failure"] = outcome_json(c.item, *c.failed);
    if (failed_.wanted())
      failed_.put(c.item, {{"input", line["input"]}, {"failure", line["failure"]}});
    const bool cancelled = c.failed->kind == failure_kind::cancelled;
    ++(cancelled ? report_.cancelled : report_.failed);
    if (!cancelled)
      note_failure({c.item, "map", std::move(input), std::move(*c.failed)});
  } else {
    ++report_.succeeded;
    if (reducer_)
      reducer_->add(std::move(c.result));
  }
  if (results_.wanted())
    results_.put(c.item, line);
}

/// The report lists the first ones for people; a log of JSON has all of them, as they come.
void job_run::note_failure(failed_task task) {
  tell(log_.is_json() ? job_log::level::warning : job_log::level::debug,
       fmt::format("{} {} failed: {}: {}", task.step == "map" ? "input" : "step",
                   task.step == "map" ? std::to_string(task.index) : task.step,
                   to_string(task.what.kind), config::printable(task.what.message)),
       {{"task", task.index},
        {"step", task.step},
        {"pid", task.what.worker},
        {"kind", to_string(task.what.kind)}});
  ++report_.kinds[std::string(to_string(task.what.kind))];
  if (report_.failures.size() < listed_failures)
    report_.failures.push_back(std::move(task));
}

void job_run::on_event(const pool_event& event) {
  workers_.on_event(event);
  const json who{
    {"worker", event.worker}, {"pid", event.pid}, {"event", observe::detail::word_of(event.kind)}};
  if (event.kind == event_kind::broken)
    return tell(job_log::level::error, config::printable(event.text), who);
  if (job_.engine) // of nodes and of the connection to the broker the text says all
    return tell(event.kind == event_kind::ready ? job_log::level::info : job_log::level::warning,
                config::printable(event.text), who);
  if (event.kind != event_kind::died)
    return tell(
      job_log::level::debug,
      fmt::format("worker {} (pid {}) {}", event.worker, event.pid, config::printable(event.text)),
      who);
  // A job for people has them in its table, too.
  const bool all = log_.is_json() || log_.tells(job_log::level::debug);
  if (++deaths_told_ > most_deaths_told && !all)
    return;
  auto more = who;
  more["cause"] = to_string(event.exit.cause);
  tell(job_log::level::warning,
       fmt::format("worker {} (pid {}) ended: {}{}", event.worker, event.pid,
                   config::printable(to_string(event.exit)),
                   deaths_told_ == most_deaths_told && !all ? "; further deaths only in the table"
                                                            : ""),
       std::move(more));
}

void job_run::tell(job_log::level what, const std::string& text, json more) {
  if (!log_.tells(what))
    return;
  shown_.clear();
  log_.tell(what, text, std::move(more));
}

} // namespace bulkhead::command
