#include "tools/command/commands.hpp"

#include "runtime/system/descriptors.hpp"
#include "tools/command/audit_text.hpp"
#include "tools/console/print_problems.hpp"
#include "tools/console/write_out.hpp"
#include "tools/job/job_run.hpp"
#include "tools/text/shown.hpp"

#include <bulkhead/error.hpp>
#include <bulkhead/init.hpp>

#include <cerrno>
#include <memory>
#include <system_error>
#include <variant>

#include <fcntl.h>
#include <unistd.h>

#include <fmt/format.h>

namespace bulkhead::command {

namespace {

int refuse(const call& wanted, std::string_view why, std::string_view remedy) {
  config::problems found;
  found.add(config::place{wanted.job.file.string()}, std::string(why), "", std::string(remedy));
  return print_problems(found, wanted.json);
}

/// Inputs from standard input are for nobody else: tasks find nothing there. Before init, so that
/// each process of the pool inherits it.
runtime::unique_fd take_standard_input(const config::job& job) {
  const auto* lines = std::get_if<config::line_input>(&job.input);
  if (lines == nullptr || lines->file != "-")
    return {};
  runtime::unique_fd own{::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)};
  runtime::point_at_null(STDIN_FILENO, O_RDONLY);
  return own;
}

/// Results on standard output have it for themselves: what tasks print there goes to standard
/// error, and so does the report. Before init, so that each process of the pool inherits it.
runtime::unique_fd take_standard_output(const config::job& job) {
  if (job.output != "-")
    return {};
  if ((::fcntl(STDOUT_FILENO, F_GETFL) & O_ACCMODE) == O_RDONLY)
    return {}; // it was closed, see main: so are the results
  runtime::unique_fd own{::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3)};
  if (own && ::dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
    ::close(STDOUT_FILENO); // there is no standard error either
  return own;
}

bool has_no_input(const config::job& job) {
  const auto* list = std::get_if<config::list_input>(&job.input);
  return list != nullptr && list->items.empty();
}

progress progress_of(const call& wanted, const job_log& log) {
  if (!wanted.progress || wanted.quiet)
    return progress{progress::style::none};
  if (!log.is_json())
    return progress{progress::fitting()};
  return progress{progress::style::told, [&log](const advance& now) {
                    log.tell(job_log::level::info, "progress",
                             {{"done", now.done},
                              {"failed", now.failed},
                              {"total", now.open ? json(nullptr) : json(now.total)},
                              {"seconds", seconds_of(now.elapsed)}});
                  }};
}

bool print_audit(const sandbox_audit& audit, bool as_json) {
  if (as_json)
    return print(audit_json(audit).dump(2) + "\n");
  write_out(STDERR_FILENO, findings_text(audit));
  return print(json{{"pool", {{"sandbox", policy_json(audit.smallest())}}}}.dump(2) + "\n");
}

int run(const config::job& job, const call& wanted, const job_log& log, job_run::streams standard,
        const sandbox_audit* audit) {
  signals interrupts;
  auto shown = progress_of(wanted, log);
  const auto done = job_run{job, interrupts, shown, log, standard, wanted.sight}.run();
  const auto text = wanted.json && audit == nullptr
                      ? report_json(done).dump(2, ' ', false, json::error_handler_t::replace) + "\n"
                    : wanted.quiet ? short_report_text(done)
                                   : report_text(done);
  // A reader that went away wants no report; one that does not read is waited for until a signal.
  const int stream = job.output == "-" || audit != nullptr ? STDERR_FILENO : STDOUT_FILENO;
  if (write_out(stream, text, interrupts.fd()) || errno == EPIPE)
    return audit == nullptr || print_audit(*audit, wanted.json) ? done.exit_status() : 1;
  if (errno == ECANCELED)
    return 128 + interrupts.take();
  const auto why = std::system_category().message(errno);
  write_out(STDERR_FILENO, "bulkhead: the report cannot be written: " + why + "\n");
  return done.exit_status() != 0 ? done.exit_status() : 1;
}

int plan(const call& wanted, const config::job& job) try {
  return show_plan(wanted, job);
} catch (const config_error& e) {
  return refuse(wanted, e.what(), "");
}

} // namespace

namespace {

/// The job's own sandbox, or strict, only looked at.
std::shared_ptr<sandbox_audit> only_looked_at(sandbox_policy& policy) {
  if (policy.base == sandbox_profile::none)
    policy = {.base = sandbox_profile::strict};
  policy.audit = std::make_shared<sandbox_audit>();
  return policy.audit;
}

int run_loaded(const call& wanted, int argc, char** argv, bool audited) {
  config::problems found;
  auto job = config::load_job(wanted.job, found);
  if (job && (wanted.json || audited) && job->output == "-")
    found.add(config::place{wanted.json ? "--json" : "output"},
              audited ? "output is \"-\", and so is the policy's"
                      : "output is \"-\" and --json is given",
              "one of the two on standard output",
              "write the results to a file: --set output=results.jsonl");
  if (!job || !found.none())
    return print_problems(found, wanted.json);
  if (!job->retry.empty() && has_no_input(*job)) {
    write_out(STDERR_FILENO, fmt::format("{}: no line has a failure, so there is nothing to run\n",
                                         config::printable(job->retry.native())));
    return 0;
  }
  const job_log log{wanted.log, job->name.empty() ? job->task : job->name};
  for (const auto& warning : found.warnings())
    log.tell(job_log::level::warning, warning);
  if (wanted.dry_run)
    return plan(wanted, *job);
  const auto audit = audited ? only_looked_at(job->pool.sandbox) : nullptr;
  const auto standard_input = take_standard_input(*job);
  const auto standard_output = take_standard_output(*job);
  // Not earlier: a configuration that is wrong starts no process.
  bulkhead::init(argc, argv);
  try {
    return run(*job, wanted, log, {standard_input.get(), standard_output.get()}, audit.get());
  } catch (const config_error& e) {
    return refuse(wanted, e.what(), "");
  } catch (const std::system_error& e) {
    return refuse(wanted, fmt::format("the system refuses: {}", e.what()),
                  "fewer workers, or higher limits (ulimit -a)");
  }
}

} // namespace

int run_job(const call& wanted, int argc, char** argv) {
  return run_loaded(wanted, argc, argv, false);
}

int audit_job(const call& wanted, int argc, char** argv) {
  if (is_system(wanted))
    return refuse(wanted, "it describes a system of actors; audit takes a job with a task",
                  "set pool_options::sandbox.audit in a program");
  return run_loaded(wanted, argc, argv, true);
}

} // namespace bulkhead::command
