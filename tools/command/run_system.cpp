#include "tools/command/commands.hpp"

#include "runtime/system/unique_fd.hpp"
#include "tools/console/job_log.hpp"
#include "tools/console/print_problems.hpp"
#include "tools/console/signals.hpp"
#include "tools/console/write_out.hpp"
#include "tools/system/drive_system.hpp"
#include "tools/system/load_system.hpp"
#include "tools/text/shown.hpp"

#include <bulkhead/error.hpp>
#include <bulkhead/init.hpp>

#include <cerrno>
#include <mutex>
#include <optional>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

#include <fmt/format.h>

namespace bulkhead::command {

namespace {

/// Lines of many threads, one after the other.
class told_lines {
public:
  told_lines(const log_options& how, const std::string& name)
    : log_(how, name.empty() ? "system" : name) {}

  void tell(const std::string& line) {
    using level = job_log::level;
    const std::lock_guard lock{mutex_};
    log_.tell(line.starts_with("failed: ") ? level::warning : level::info, config::printable(line));
  }
  void tell_error(const std::string& line) {
    const std::lock_guard lock{mutex_};
    log_.tell(job_log::level::error, config::printable(line));
  }

private:
  std::mutex mutex_;
  const job_log log_;
};

/// What is found only when it starts. `stream` is the standard output that was taken.
int refuse_system(const call& wanted, int stream, const std::string& why,
                  const std::string& remedy) {
  if (stream >= 0 && ::dup2(stream, STDOUT_FILENO) < 0)
    ::close(STDOUT_FILENO);
  config::problems found;
  found.add(config::place{wanted.job.file.string()}, why, "", remedy);
  return print_problems(found, wanted.json);
}

/// What only a job of tasks can have.
void refuse_options_of_jobs(const call& wanted, config::problems& found) {
  const std::pair<const char*, bool> given[] = {{"--web", !wanted.sight.web.empty()},
                                                {"--trace", !wanted.sight.trace.empty()},
                                                {"--report", !wanted.sight.report.empty()},
                                                {"--journal", !wanted.job.journal.empty()},
                                                {"--resume-failed", wanted.job.resume_failed}};
  for (const auto& [option, is_given] : given)
    if (is_given)
      found.add(config::place{option}, "the file describes a system of actors",
                "this option with a job of tasks only",
                "leave it out; BULKHEAD_OBSERVE=1 and \"bulkhead top\" show a system");
}

/// At SIGHUP; what is wrong is told.
std::optional<systems::system_plan> read_again(const call& wanted) {
  config::problems found;
  auto plan = systems::load_system(wanted.job, found);
  if (!plan)
    write_out(STDERR_FILENO, found.render());
  return plan;
}

/// Standard output is the report's alone: what actors print there goes to standard error. Before
/// init, so that each process inherits it. Empty where there is none.
runtime::unique_fd take_report_stream() {
  if ((::fcntl(STDOUT_FILENO, F_GETFL) & O_ACCMODE) == O_RDONLY)
    return {}; // it was closed, see main
  runtime::unique_fd own{::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3)};
  if (own && ::dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
    ::close(STDOUT_FILENO); // there is no standard error either
  return own;
}

/// Prints the report; the exit status.
int finish(const systems::system_report& done, const call& wanted, int stream,
           const signals& interrupts) {
  const auto text =
    wanted.json
      ? systems::report_json(done).dump(2, ' ', false, config::json::error_handler_t::replace)
          + "\n"
      : systems::report_text(done);
  const bool written = write_out(stream, text, interrupts.fd()) || errno == EPIPE;
  return written || done.exit_status() != 0 ? done.exit_status() : 1;
}

} // namespace

bool is_system(const call& wanted) { return systems::names_system(wanted.job); }

int run_system(const call& wanted, int argc, char** argv) {
  if (wanted.dry_run)
    return validate_system(wanted);
  config::problems found;
  const auto plan = systems::load_system(wanted.job, found);
  refuse_options_of_jobs(wanted, found);
  if (!plan || !found.none())
    return print_problems(found, wanted.json);
  told_lines told{wanted.log, plan->name};
  const systems::teller tell = [&told](const std::string& line) { told.tell(line); };
  const auto report_stream = take_report_stream();
  // Not earlier: a configuration that is wrong starts no process.
  bulkhead::init(argc, argv);
  signals interrupts;
  try {
    const systems::interruption from_outside{interrupts.fd(), [&] { return interrupts.take(); },
                                             [&] { return read_again(wanted); }};
    return finish(systems::drive_system(*plan, from_outside, tell), wanted, report_stream.get(),
                  interrupts);
  } catch (const config_error& e) {
    return refuse_system(wanted, report_stream.get(), e.what(), "");
  } catch (const error& e) {
    told.tell_error(fmt::format("the system did not start: {}", e.what()));
    return 1;
  } catch (const std::system_error& e) {
    return refuse_system(wanted, report_stream.get(),
                         fmt::format("the system refuses: {}", e.what()),
                         "fewer workers, or higher limits (ulimit -a)");
  }
}

int validate_system(const call& wanted) {
  config::problems found;
  const auto plan = systems::load_system(wanted.job, found);
  if (!plan)
    return print_problems(found, wanted.json);
  const nlohmann::json document{{"exit_status", 0},
                                {"actors", plan->actors.size()},
                                {"supervisors", plan->supervisors.size()},
                                {"steps", plan->script.size()},
                                {"serve", plan->serve}};
  const auto plural = [](std::size_t n) { return n == 1 ? "" : "s"; };
  return print(wanted.json ? document.dump(2) + "\n"
                           : fmt::format("{}: good; {} actor{}, {} supervisor{}, {} step{}\n",
                                         config::printable(wanted.job.file.string()),
                                         plan->actors.size(), plural(plan->actors.size()),
                                         plan->supervisors.size(), plural(plan->supervisors.size()),
                                         plan->script.size(), plural(plan->script.size())))
           ? 0
           : 1;
}

} // namespace bulkhead::command
