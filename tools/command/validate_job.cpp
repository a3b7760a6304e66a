#include "tools/command/commands.hpp"

#include "tools/console/print_problems.hpp"
#include "tools/console/write_out.hpp"
#include "tools/job/inputs.hpp"
#include "tools/text/shown.hpp"

#include <bulkhead/parallelism.hpp>

#include <unistd.h>

#include <fmt/format.h>

namespace bulkhead::command {

namespace {

std::string inputs_text(std::optional<std::uint64_t> total) {
  if (!total)
    return "inputs that are counted as they come";
  return fmt::format("{} input{}", *total, *total == 1 ? "" : "s");
}

} // namespace

int validate_job(const call& wanted) {
  config::problems found;
  const auto job = config::load_job(wanted.job, found);
  if (!job)
    return print_problems(found, wanted.json);
  for (const auto& warning : found.warnings())
    write_out(STDERR_FILENO, fmt::format("warning: {}\n", warning));
  const auto total = number_of_inputs(*job);
  const auto workers = job->pool.workers != 0 ? job->pool.workers : available_parallelism();
  const nlohmann::json document{
    {"exit_status", 0},
    {"task", job->task},
    {"inputs", total ? nlohmann::json(*total) : nlohmann::json(nullptr)},
    {"workers", workers}};
  const bool told =
    print(wanted.json ? document.dump(2) + "\n"
                      : fmt::format("{}: good; {} on {}, {} worker{}\n",
                                    config::printable(wanted.job.file.string()), job->task,
                                    inputs_text(total), workers, workers == 1 ? "" : "s"));
  return told ? 0 : 1;
}

} // namespace bulkhead::command
