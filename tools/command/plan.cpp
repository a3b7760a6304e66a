#include "tools/command/commands.hpp"
#include "tools/config/task_call.hpp"
#include "tools/console/write_out.hpp"
#include "tools/job/inputs.hpp"
#include "tools/job/journal.hpp"
#include "tools/text/shown.hpp"

#include <bulkhead/detail/task_entry.hpp>
#include <bulkhead/parallelism.hpp>

#include <algorithm>
#include <filesystem>

#include <fmt/format.h>

namespace bulkhead::command {

namespace {

constexpr std::size_t most_shown = 3;

/// The first ones, of inputs that can be read twice.
json first_inputs(const config::job& job) {
  auto all = json::array();
  if (!number_of_inputs(job) || std::holds_alternative<config::no_input>(job.input))
    return all;
  inputs source(job, -1);
  while (all.size() < most_shown)
    if (const auto next = source.next(); next)
      all.push_back(next->value.is_string() ? config::text_json(next->value.get<std::string>())
                                            : next->value);
    else
      break;
  return all;
}

/// How many outcomes it has; null where there is no journal yet.
json kept_outcomes(const config::job& job) {
  std::error_code error;
  if (job.journal.empty() || !std::filesystem::exists(job.journal, error))
    return nullptr;
  return journal(job, detail::expect_task(job.task)).size();
}

json files_of(const config::job& job, const sight_request& sight) {
  auto files = json::object();
  const std::pair<const char*, const std::string&> all[] = {{"output", job.output},
                                                            {"failed", job.failed},
                                                            {"journal", job.journal},
                                                            {"trace", sight.trace},
                                                            {"report", sight.report}};
  for (const auto& [what, file] : all)
    if (!file.empty())
      files[what] = config::text_json(file);
  return files;
}

std::string inputs_text(const json& plan) {
  if (plan["inputs"].is_null())
    return "inputs that are counted as they come";
  return fmt::format("{} input{}", plan["inputs"].get<std::uint64_t>(),
                     plan["inputs"] == 1 ? "" : "s");
}

std::string text_of(const json& plan) {
  auto text =
    fmt::format("{} {} would run on {}, in {} worker{}\n", plan["task"].get<std::string>(),
                plan["types"].get<std::string>(), inputs_text(plan),
                plan["workers"].get<std::uint64_t>(), plan["workers"] == 1 ? "" : "s");
  for (std::size_t i = 0; i < plan["first_inputs"].size(); ++i)
    text += fmt::format("  input {}: {}\n", i, config::shown(plan["first_inputs"][i]));
  for (const auto& [what, file] : plan["files"].items())
    text += fmt::format("{}: {}\n", what, config::shown(file));
  if (!plan["from_journal"].is_null())
    text += fmt::format("{} outcomes are in the journal: those inputs would not run\n",
                        plan["from_journal"].get<std::uint64_t>());
  return text + "nothing was started\n";
}

} // namespace

int show_plan(const call& wanted, const config::job& job) {
  const auto total = number_of_inputs(job);
  const json plan{{"exit_status", 0},
                  {"dry_run", true},
                  {"task", job.task},
                  {"types", config::signature_text(detail::expect_task(job.task))},
                  {"inputs", total ? json(*total) : json(nullptr)},
                  {"first_inputs", first_inputs(job)},
                  {"workers", job.pool.workers != 0 ? job.pool.workers : available_parallelism()},
                  {"files", files_of(job, wanted.sight)},
                  {"from_journal", kept_outcomes(job)}};
  return print(wanted.json ? plan.dump(2) + "\n" : text_of(plan)) ? 0 : 1;
}

} // namespace bulkhead::command
