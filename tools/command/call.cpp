#include "tools/command/call.hpp"

#include "tools/config/nearest.hpp"
#include "tools/config/shown.hpp"

#include <bulkhead/version.hpp>

#include <cstdio>

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
  bulkhead run config/word_count.json
  bulkhead run job.json --set pool.workers=4 --set map.chunk=16
  bulkhead run job.json --web --report report.html --trace trace.json
  bulkhead run job.json --failed again.jsonl; bulkhead run job.json --retry again.jsonl
  bulkhead validate job.json
  bulkhead list --load ./libtasks.so
  bulkhead init my_tasks

Exit status: 0 all tasks succeeded, 1 some failed, 2 the configuration or the call is wrong,
130 after Ctrl-C, 143 after SIGTERM, 129 after SIGHUP, 131 after SIGQUIT.)";

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

} // namespace

parsed_call parse_call(int argc, char** argv) {
  call wanted;
  CLI::App app{"Runs tasks in isolated worker processes.", "bulkhead"};
  app.footer(example);
  app.set_version_flag("--version", std::string(version()));
  app.require_subcommand(1);
  std::string file;
  std::vector<std::string> load;
  const auto common = [&](CLI::App& sub, call::kind kind) {
    sub.add_option("--load", load, "A task library (.so); may be given more than once")
      ->type_name("LIB.so")
      ->allow_extra_args(false);
    sub.add_flag("--json", wanted.json,
                 "One JSON document on standard output, and nothing else there");
    sub.callback([&wanted, kind] { wanted.what = kind; });
  };
  const auto of_file = [&](CLI::App& sub) {
    sub.add_option("FILE", file, "The configuration: JSON, comments allowed")->required();
    sub
      .add_option("--set", wanted.job.settings,
                  "Overrides a value: --set pool.workers=4; may be given more than once")
      ->type_name("PATH=VALUE")
      ->allow_extra_args(false);
  };
  auto& run = *app.add_subcommand("run", "Runs the job of a configuration file");
  common(run, call::kind::run);
  of_file(run);
  std::string failed;
  std::string retry;
  run.add_option("--failed", failed, "Writes inputs that fail to this file, one JSON value a line")
    ->type_name("FILE.jsonl");
  run.add_option("--retry", retry, "Runs the failed inputs of this file in place of the job's own")
    ->type_name("FILE.jsonl");
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
  auto& validate =
    *app.add_subcommand("validate", "Checks a configuration file and starts nothing");
  common(validate, call::kind::validate);
  of_file(validate);
  auto& list = *app.add_subcommand("list", "Lists the tasks that are known, with their types");
  common(list, call::kind::list);
  auto& init = *app.add_subcommand("init", "Writes a new project: tasks, a job and a test");
  init.add_option("FOLDER", wanted.folder, "Is empty or not there yet; its name is the project's")
    ->required();
  init.callback([&wanted] { wanted.what = call::kind::init; });
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
  wanted.job.file = file;
  wanted.job.failed = failed;
  wanted.job.retry = retry;
  for (const auto& library : load)
    wanted.job.load.emplace_back(library);
  return {std::move(wanted), 0};
}

} // namespace bulkhead::command
