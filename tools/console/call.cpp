#include "tools/console/call.hpp"

#include "tools/text/nearest.hpp"
#include "tools/text/shown.hpp"
#include "tools/text/units.hpp"

#include <bulkhead/version.hpp>

#include <cstdio>
#include <map>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wconversion"
#include <CLI/CLI.hpp>
#pragma GCC diagnostic pop
#include <fmt/format.h>

namespace bulkhead::command {

namespace {

constexpr const char* example = R"(
Examples:
  bulkhead init my_tasks
  bulkhead run job.json --web
  bulkhead audit job.json
  bulkhead validate job.json
  bulkhead list --load ./libtasks.so
  BULKHEAD_OBSERVE=1 ./my_service & bulkhead top
Each command has more: bulkhead run --help.

Exit status: 0 all tasks succeeded, 1 some failed, 2 the configuration or the call is wrong,
130 after Ctrl-C, 143 after SIGTERM, 129 after SIGHUP, 131 after SIGQUIT.)";

constexpr const char* run_examples = R"(
Examples:
  bulkhead run config/word_count.json
  bulkhead run job.json --set pool.workers=4 --set map.chunk=16
  bulkhead run job.json --web --report report.html --trace trace.json
  bulkhead run job.json --failed again.jsonl; bulkhead run job.json --retry again.jsonl
  bulkhead run job.json --journal job.journal    # again after a kill: goes on
  bulkhead run job.json --detach                  # goes on when the terminal is closed
  bulkhead run job.json --dry-run
  bulkhead run job.json --log-format json 2> log.jsonl)";

constexpr const char* audit_examples = R"(
Examples:
  bulkhead audit job.json > policy.json
  bulkhead audit job.json --set pool.sandbox.base=standard
  jq -s '.[0] * .[1]' job.json policy.json > shut_in.json; bulkhead run shut_in.json)";

constexpr const char* validate_examples = R"(
Examples:
  bulkhead validate job.json
  bulkhead validate job.json --set pool.workers=4 --json)";

constexpr const char* list_examples = R"(
Examples:
  bulkhead list
  bulkhead list --load ./libtasks.so --json)";

constexpr const char* init_examples = R"(
Examples:
  bulkhead init my_tasks && cd my_tasks && cmake -B build && cmake --build build)";

constexpr const char* top_examples = R"(
Examples:
  BULKHEAD_OBSERVE=1 ./my_service & bulkhead top
  bulkhead top 4711)";

constexpr const char* stack_examples = R"(
Examples:
  bulkhead stack 4711    # of a program: all its workers; of a worker: its own)";

constexpr const char* events_examples = R"(
Examples:
  bulkhead events 4711
  bulkhead events 4711 --json | jq 'select(.kind == "died")')";

constexpr const char* node_examples = R"(
Examples:
  bulkhead node --engine amqp://user:password@broker/ --queue words --load ./libtasks.so
  BULKHEAD_ENGINE_URL=amqps://... bulkhead node --queue words --program ./my_service)";

constexpr const char* cluster_examples = R"(
Examples:
  bulkhead cluster check --engine amqp://user:password@broker/ --queue words)";

constexpr const char* jobs_examples = R"(
Examples:
  bulkhead jobs
  bulkhead jobs --clear)";

constexpr const char* attach_examples = R"(
Examples:
  id=$(bulkhead run job.json --detach); bulkhead attach $id)";

std::vector<std::string> known_options(const CLI::App& app) {
  std::vector<std::string> names;
  for (const auto* option : app.get_options())
    for (const auto& name : option->get_lnames())
      names.push_back("--" + name);
  return names;
}

/// What the mistake is, and what was meant.
std::string mistake(const CLI::App& app, const CLI::ParseError& e, int argc, char** argv) {
  std::vector<std::string> words;
  for (const auto* sub : app.get_subcommands({}))
    words.push_back(sub->get_name());
  auto options = known_options(app);
  for (const auto* sub : app.get_subcommands())
    for (auto& name : known_options(*sub))
      options.push_back(std::move(name));
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    const auto& known = word.starts_with("--") ? options : words;
    const auto name = word.substr(0, word.find('='));
    const bool fits = std::find(known.begin(), known.end(), name) != known.end();
    if (!fits && (word.starts_with("--") || i == 1))
      if (const auto hint = config::did_you_mean(name, known); !hint.empty())
        return fmt::format("{} is unknown; {}", config::printable(word), hint);
    if (!fits && i == 1 && !word.starts_with('-'))
      return fmt::format("{} is unknown; the commands are {}", config::printable(word),
                         config::listed(words));
  }
  return config::printable(e.what());
}

/// Options that end up elsewhere once all is read.
struct raw_call {
  std::string file;
  std::string failed;
  std::string retry;
  std::string journal;
  std::vector<std::string> load;
  std::string max_memory = "0B";
  std::string drain = "30s";
};

void add_common(CLI::App& sub, call& wanted, raw_call& raw, call::kind kind) {
  sub.add_option("--load", raw.load, "A task library (.so); may be given more than once")
    ->type_name("LIB.so")
    ->allow_extra_args(false);
  sub.add_flag("--json", wanted.json,
               "One JSON document on standard output, and nothing else there");
  sub.callback([&wanted, kind] { wanted.what = kind; });
}

void add_file(CLI::App& sub, call& wanted, raw_call& raw) {
  sub.add_option("FILE", raw.file, "The configuration: JSON, comments allowed")->required();
  sub
    .add_option("--set", wanted.job.settings,
                "Overrides a value: --set pool.workers=4; may be given more than once")
    ->type_name("PATH=VALUE")
    ->allow_extra_args(false);
}

void add_telling(CLI::App& run, call& wanted) {
  using level = log_options::level;
  const std::map<std::string, level> levels{{"debug", level::debug},
                                            {"info", level::info},
                                            {"warning", level::warning},
                                            {"error", level::error}};
  auto* quiet = run.add_flag_callback(
    "-q,--quiet",
    [&wanted] {
      wanted.quiet = true;
      wanted.log.least = level::error;
    },
    "Tells errors alone: no progress, no table; only the result of a reduction");
  run
    .add_flag_callback(
      "-v,--verbose", [&wanted] { wanted.log.least = level::debug; },
      "Tells also starts of workers, and failures as they come")
    ->excludes(quiet);
  run
    .add_option_function<std::string>(
      "--log-format", [&wanted](const std::string& form) { wanted.log.as_json = form == "json"; },
      "How standard error is written: text, or json: an object a line")
    ->check(CLI::IsMember({"text", "json"}));
  run
    .add_option("--log-level", wanted.log.least,
                "The least that is told: debug, info, warning, error")
    ->transform(CLI::CheckedTransformer(levels))
    ->option_text("LEVEL");
}

void add_run(CLI::App& app, call& wanted, raw_call& raw) {
  auto& run = *app.add_subcommand("run", "Runs the job of a configuration file");
  add_common(run, wanted, raw, call::kind::run);
  add_file(run, wanted, raw);
  run
    .add_option("--failed", raw.failed,
                "Writes inputs that fail to this file, one JSON value a line")
    ->type_name("FILE.jsonl");
  auto* retry = run
                  .add_option("--retry", raw.retry,
                              "Runs the failed inputs of this file in place of the job's own")
                  ->type_name("FILE.jsonl");
  auto* journal =
    run
      .add_option("--journal", raw.journal,
                  "Keeps each outcome in this file; where it has some of the same job, goes on "
                  "behind them")
      ->type_name("FILE")
      ->excludes(retry);
  run
    .add_flag("--resume-failed", wanted.job.resume_failed,
              "Runs inputs again whose outcome in the journal is a failure")
    ->needs(journal);
  run.add_flag(
    "--web{127.0.0.1:0}", wanted.sight.web,
    "Shows the job in a browser, live, and to Prometheus at /metrics: --web for any free "
    "port of this machine, --web=ADDRESS:PORT; the address is printed");
  run
    .add_option("--trace", wanted.sight.trace,
                "Writes the time line of all tasks to this file, for ui.perfetto.dev")
    ->type_name("FILE.json");
  run
    .add_option("--report", wanted.sight.report,
                "Writes one page about the whole job to this file, at its end")
    ->type_name("FILE.html");
  run.add_flag("!--no-progress", wanted.progress, "No progress bar, no progress lines");
  auto* dry = run.add_flag("--dry-run", wanted.dry_run, "Says what would run, and starts nothing");
  run
    .add_flag("--detach", wanted.detach,
              "Prints the job's name and returns; the job goes on without the terminal and keeps "
              "a journal: see bulkhead jobs and bulkhead attach")
    ->excludes(retry)
    ->excludes(journal)
    ->excludes(dry);
  add_telling(run, wanted);
  run.footer(run_examples);
}

CLI::App& add_look(CLI::App& app, call& wanted, call::kind kind, const char* name, const char* what,
                   const char* examples) {
  auto& sub = *app.add_subcommand(name, what);
  sub.footer(examples);
  sub.callback([&wanted, kind] { wanted.what = kind; });
  auto* pid = sub.add_option("PID", wanted.pid, "A process of yours")->check(CLI::PositiveNumber);
  if (kind != call::kind::top)
    pid->required();
  return sub;
}

void add_looks(CLI::App& app, call& wanted) {
  add_look(app, wanted, call::kind::top, "top",
           "Shows a program's pools in the terminal, live; without PID, which programs there are",
           top_examples);
  add_look(app, wanted, call::kind::stack, "stack",
           "Prints where the threads of a worker, or of all workers of a program, stand now",
           stack_examples);
  auto& events =
    add_look(app, wanted, call::kind::events, "events",
             "Prints what happens to a program's workers, until it ends", events_examples);
  events.add_flag("--json", wanted.json, "Each as one JSON value a line");
}

CLI::App& add_engine(CLI::App& sub, node_request& to) {
  sub
    .add_option("--engine", to.url,
                "The broker: amqp://user:password@host/vhost or amqps://; without it "
                "BULKHEAD_ENGINE_URL of the environment, which nobody else can read")
    ->type_name("URL");
  sub.add_option("--queue", to.queue, "What nodes and submitters share")->required();
  sub.add_option("--ca-file", to.ca_file, "Who may vouch for the broker, with amqps://");
  sub.add_option("--certificate-file", to.certificate_file, "This client's own, with amqps://");
  sub.add_option("--key-file", to.key_file, "Of the certificate");
  return sub;
}

void add_node(CLI::App& app, call& wanted, raw_call& raw) {
  auto& node = *app.add_subcommand("node", "Takes tasks of other machines from a queue of RabbitMQ "
                                           "and runs them in workers here, until SIGTERM");
  add_engine(node, wanted.node);
  node.add_option("--load", raw.load, "A task library (.so); may be given more than once")
    ->type_name("LIB.so")
    ->allow_extra_args(false);
  node.add_option("--workers", wanted.node.workers, "0: as many as there are CPUs")->type_name("N");
  node
    .add_option("--max-memory", raw.max_memory, "Of each worker, like 512MiB; more ends its task")
    ->type_name("SIZE");
  node.add_option("--drain", raw.drain, "How long running tasks may go on after SIGTERM; 30s")
    ->type_name("TIME");
  node.add_flag("--replicated", wanted.node.replicated,
                "Queues of tasks are quorum queues, for a cluster of brokers; all nodes alike");
  node
    .add_option("--program", wanted.node.program,
                "This program becomes the node, with these arguments: last of all options")
    ->type_name("PROGRAM ARGUMENT...")
    ->expected(1, 10'000);
  node.footer(node_examples);
  node.callback([&wanted] { wanted.what = call::kind::node; });
}

void add_jobs(CLI::App& app, call& wanted) {
  auto& jobs = *app.add_subcommand("jobs", "Lists your jobs that run without a terminal");
  jobs.add_flag("--clear", wanted.clear, "Forgets those that have ended");
  jobs.footer(jobs_examples);
  jobs.callback([&wanted] { wanted.what = call::kind::jobs; });
  auto& attach = *app.add_subcommand(
    "attach", "Shows a detached job until it ends, with its exit status; one that was interrupted, "
              "by whatever, goes on behind its journal");
  attach.add_option("ID", wanted.job_id, "The name that its start has printed")->required();
  attach.footer(attach_examples);
  attach.callback([&wanted] { wanted.what = call::kind::attach; });
}

void add_cluster(CLI::App& app, call& wanted) {
  auto& cluster = *app.add_subcommand("cluster", "Looks at a queue of RabbitMQ and its nodes");
  cluster.require_subcommand(1);
  cluster.footer(cluster_examples);
  auto& check =
    *cluster.add_subcommand("check", "Tests URL, password, rights, nodes, versions and clocks");
  add_engine(check, wanted.node);
  check.callback([&wanted] { wanted.what = call::kind::cluster; });
}

/// Texts with units. False where one is none, which is told.
bool read_units(const raw_call& raw, call& wanted) {
  const auto memory = config::parse_bytes(raw.max_memory);
  const auto drain = config::parse_time(raw.drain);
  if (!memory || !drain) {
    const auto given = !memory ? "--max-memory " + raw.max_memory : "--drain " + raw.drain;
    const auto text = fmt::format("bulkhead: {} is none: write {}\n", config::printable(given),
                                  !memory ? "a size, like 512MiB" : "a time, like 30s");
    std::fputs(text.c_str(), stderr);
    return false;
  }
  wanted.node.max_memory = static_cast<std::size_t>(*memory);
  wanted.node.drain = *drain;
  return true;
}

} // namespace

parsed_call parse_call(int argc, char** argv) {
  call wanted;
  raw_call raw;
  CLI::App app{"Runs tasks in isolated worker processes.", "bulkhead"};
  app.footer(example);
  app.set_version_flag("--version", std::string(version()));
  app.require_subcommand(1);
  add_run(app, wanted, raw);
  auto& audit = *app.add_subcommand(
    "audit", "Runs a job without its sandbox, and prints the smallest one that it needs");
  add_common(audit, wanted, raw, call::kind::audit);
  add_file(audit, wanted, raw);
  audit.footer(audit_examples);
  auto& validate =
    *app.add_subcommand("validate", "Checks a configuration file and starts nothing");
  add_common(validate, wanted, raw, call::kind::validate);
  add_file(validate, wanted, raw);
  validate.footer(validate_examples);
  auto& list = *app.add_subcommand("list", "Lists the tasks that are known, with their types");
  add_common(list, wanted, raw, call::kind::list);
  list.footer(list_examples);
  auto& init = *app.add_subcommand("init", "Writes a new project: tasks, a job and a test");
  init.add_option("FOLDER", wanted.folder, "Is empty or not there yet; its name is the project's")
    ->required();
  init.footer(init_examples);
  init.callback([&wanted] { wanted.what = call::kind::init; });
  add_looks(app, wanted);
  add_node(app, wanted, raw);
  add_cluster(app, wanted);
  add_jobs(app, wanted);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& e) {
    return {std::nullopt, app.exit(e)};
  } catch (const CLI::ParseError& e) {
    const auto text =
      fmt::format("bulkhead: {}\nTry bulkhead --help.\n", mistake(app, e, argc, argv));
    std::fputs(text.c_str(), stderr);
    return {std::nullopt, wrong_call};
  }
  if (!read_units(raw, wanted))
    return {std::nullopt, wrong_call};
  wanted.job.file = raw.file;
  wanted.job.failed = raw.failed;
  wanted.job.retry = raw.retry;
  wanted.job.journal = raw.journal;
  for (const auto& library : raw.load)
    wanted.job.load.emplace_back(library);
  return {std::move(wanted), 0};
}

} // namespace bulkhead::command
