#include "tools/command/commands.hpp"

#include "tools/config/checks.hpp"
#include "tools/config/read_job.hpp"
#include "tools/console/print_problems.hpp"
#include "tools/console/table.hpp"
#include "tools/console/write_out.hpp"
#include "tools/text/shown.hpp"

#include <bulkhead/error.hpp>
#include <bulkhead/init.hpp>

#ifdef BULKHEAD_WITH_RABBITMQ
#  include "engine/node/node_request.hpp"

#  include <bulkhead/rabbitmq.hpp>
#  include <bulkhead/version.hpp>
#endif

#include <cerrno>
#include <cstdlib>
#include <system_error>

#include <unistd.h>

#include <fmt/format.h>

namespace bulkhead::command {

namespace {

int refuse(const std::string& why, const std::string& remedy = {}) {
  config::problems found;
  found.add(config::place{"node"}, why, "", remedy);
  return print_problems(found, false);
}

#ifdef BULKHEAD_WITH_RABBITMQ

rabbitmq engine_of(const node_request& wanted) {
  rabbitmq engine{.url = wanted.url.empty() ? config::engine_url() : wanted.url,
                  .queue = wanted.queue};
  engine.ca_file = wanted.ca_file;
  engine.certificate_file = wanted.certificate_file;
  engine.key_file = wanted.key_file;
  return engine;
}

node_options options_of(const node_request& wanted) {
  node_options options{.engine = engine_of(wanted)};
  options.pool.workers = wanted.workers;
  options.pool.max_memory_per_worker = wanted.max_memory;
  options.drain = wanted.drain;
  options.replicated = wanted.replicated;
  return options;
}

/// The program itself becomes the node, so that it has all that the submitter's program has.
int run_program(const call& wanted) {
  ::setenv("BULKHEAD_NODE", engine::write_node_request(options_of(wanted.node)).c_str(), 1);
  auto words = wanted.node.program;
  std::vector<char*> argv;
  argv.reserve(words.size() + 1);
  for (auto& word : words)
    argv.push_back(word.data());
  argv.push_back(nullptr);
  ::execvp(argv[0], argv.data());
  return refuse(fmt::format("{} cannot be started: {}", config::shown(words[0]),
                            std::system_category().message(errno)),
                "name a program that links bulkhead::engine_rabbitmq and calls bulkhead::init");
}

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

#endif

} // namespace

#ifdef BULKHEAD_WITH_RABBITMQ

int serve_node(const call& wanted, int argc, char** argv) {
  if (!wanted.node.program.empty() && !wanted.job.load.empty())
    return refuse("--load and --program are both given",
                  "a program has its tasks in it; let it load libraries itself");
  ::setenv("BULKHEAD_OBSERVE", "1", 0); // so that "bulkhead top" shows it
  if (!wanted.node.program.empty())
    return run_program(wanted);
  config::problems found;
  config::load_libraries(wanted.job.load, found);
  if (!found.none())
    return print_problems(found, false);
  bulkhead::init(argc, argv);
  return run_node(options_of(wanted.node));
}

int check_cluster(const call& wanted) {
  char name[] = "bulkhead";
  char* argv[] = {name, nullptr};
  bulkhead::init(1, argv);
  const auto engine = engine_of(wanted.node);
  try {
    const auto nodes = find_nodes(engine, std::chrono::seconds{1});
    table rows{{"node", "version", "workers", "running", "clock ahead", "offers"}};
    bool good = !nodes.empty();
    for (const auto& n : nodes) {
      const auto ahead = std::chrono::duration<double>(n.clock_ahead).count();
      const bool clock_is_off = ahead > 5 || ahead < -5;
      const bool other = n.version != version();
      good = good && !clock_is_off && !other;
      rows.add({config::printable(n.name), config::printable(n.version) + (other ? " (!)" : ""),
                std::to_string(n.workers), std::to_string(n.running),
                fmt::format("{:.1f} s{}", ahead, clock_is_off ? " (!)" : ""),
                n.modules.empty() ? "" : config::printable(first_line(n.modules.front()))});
    }
    if (!print(fmt::format("the broker takes us; queue {}\n", config::printable(engine.queue))
               + (nodes.empty() ? "no node answers: start one with bulkhead node\n" : rows.text())))
      return 1;
    return good ? 0 : 1;
  } catch (const config_error& e) {
    return refuse(e.info().message);
  } catch (const error& e) {
    std::fputs(fmt::format("bulkhead cluster: {}\n", config::printable(e.info().message)).c_str(),
               stderr);
    return 1;
  }
}

#else

int serve_node(const call&, int, char**) {
  return refuse("this command was built without librabbitmq",
                "install librabbitmq-dev and build it again");
}
int check_cluster(const call&) {
  return refuse("this command was built without librabbitmq",
                "install librabbitmq-dev and build it again");
}

#endif

} // namespace bulkhead::command
