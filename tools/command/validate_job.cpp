#include "tools/command/commands.hpp"

#include "tools/command/inputs.hpp"
#include "tools/command/print_problems.hpp"
#include "tools/command/write_out.hpp"

#include <bulkhead/parallelism.hpp>

#include <unistd.h>

#include <fmt/format.h>

namespace bulkhead::command {

int validate_job(const call& wanted) {
  config::problems found;
  const auto job = config::load_job(wanted.job, found);
  if (!job)
    return print_problems(found, wanted.json);
  for (const auto& warning : found.warnings())
    write_out(STDERR_FILENO, fmt::format("warning: {}\n", warning));
  const auto total = inputs{*job}.total();
  const auto workers = job->pool.workers != 0 ? job->pool.workers : available_parallelism();
  const nlohmann::json document{
    {"exit_status", 0}, {"task", job->task}, {"inputs", total}, {"workers", workers}};
  write_out(STDOUT_FILENO,
            wanted.json ? document.dump(2) + "\n"
                        : fmt::format("{}: good; {} on {} input{}, {} worker{}\n",
                                      wanted.job.file.string(), job->task, total,
                                      total == 1 ? "" : "s", workers, workers == 1 ? "" : "s"));
  return 0;
}

} // namespace bulkhead::command
