#include "tools/command/commands.hpp"

#include "tools/command/job_run.hpp"
#include "tools/command/print_problems.hpp"
#include "tools/command/write_out.hpp"

#include <bulkhead/error.hpp>
#include <bulkhead/init.hpp>

#include <system_error>

#include <unistd.h>

#include <fmt/format.h>

namespace bulkhead::command {

namespace {

int refuse(const call& wanted, std::string_view why, std::string_view remedy) {
  config::problems found;
  found.add(config::place{wanted.job.file.string()}, std::string(why), "", std::string(remedy));
  return print_problems(found, wanted.json);
}

report run(const config::job& job, const call& wanted) {
  signals interrupts;
  progress shown{wanted.progress ? progress::fitting() : progress::style::none};
  return job_run{job, interrupts, shown}.run();
}

/// Lines of results on standard output leave no room there for the report.
int report_stream(const call& wanted, const config::job& job) {
  return !wanted.json && job.output == "-" ? STDERR_FILENO : STDOUT_FILENO;
}

} // namespace

int run_job(const call& wanted, int argc, char** argv) {
  config::problems found;
  const auto job = config::load_job(wanted.job, found);
  if (job && wanted.json && job->output == "-")
    found.add(config::place{"--json"}, "output is \"-\" and --json is given",
              "one of the two on standard output",
              "write the results to a file: --set output=results.jsonl");
  if (!job || !found.none())
    return print_problems(found, wanted.json);
  // Not earlier: a configuration that is wrong starts no process.
  bulkhead::init(argc, argv);
  try {
    const auto done = run(*job, wanted);
    const auto text =
      wanted.json ? report_json(done).dump(2, ' ', false, json::error_handler_t::replace) + "\n"
                  : report_text(done);
    write_out(report_stream(wanted, *job), text); // a reader that went away wants no report
    return done.exit_status();
  } catch (const config_error& e) {
    return refuse(wanted, e.what(), "");
  } catch (const std::system_error& e) {
    return refuse(wanted, fmt::format("the system refuses: {}", e.what()),
                  "fewer workers, or higher limits (ulimit -a)");
  }
}

} // namespace bulkhead::command
