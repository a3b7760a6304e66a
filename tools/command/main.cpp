#include "runtime/system/descriptors.hpp"
#include "tools/command/commands.hpp"

#include <bulkhead/init.hpp>

#include <cstdio>
#include <exception>
#include <string_view>

#include <fcntl.h>

namespace {

int execute(const bulkhead::command::call& wanted, int argc, char** argv) {
  using kind = bulkhead::command::call::kind;
  switch (wanted.what) {
  case kind::validate:
    return bulkhead::command::is_system(wanted) ? bulkhead::command::validate_system(wanted)
                                                : bulkhead::command::validate_job(wanted);
  case kind::audit:
    return bulkhead::command::audit_job(wanted, argc, argv);
  case kind::list:
    return bulkhead::command::list_tasks(wanted);
  case kind::top:
    return bulkhead::command::show_top(wanted);
  case kind::stack:
    return bulkhead::command::show_stack(wanted);
  case kind::events:
    return bulkhead::command::show_events(wanted);
  case kind::node:
    return bulkhead::command::serve_node(wanted, argc, argv);
  case kind::cluster:
    return bulkhead::command::check_cluster(wanted);
  case kind::jobs:
    return bulkhead::command::list_jobs(wanted);
  case kind::attach:
    return bulkhead::command::attach_job(wanted);
  case kind::init:
    return bulkhead::command::init_project(wanted);
  default:
    if (wanted.detach)
      return bulkhead::command::detach_job(wanted, argc, argv);
    return bulkhead::command::is_system(wanted) ? bulkhead::command::run_system(wanted, argc, argv)
                                                : bulkhead::command::run_job(wanted, argc, argv);
  }
}

/// What is opened later must not take the number of a standard stream that is closed: a file of
/// results would get the report. In its place comes what fails as a closed one does.
void occupy_closed_streams() {
  for (const int fd : {0, 1, 2})
    if (::fcntl(fd, F_GETFD) < 0)
      bulkhead::runtime::point_at_null(fd, fd == 0 ? O_WRONLY : O_RDONLY);
}

} // namespace

int main(int argc, char** argv) {
  // A process that the library made by exec becomes what it is meant to be, and does not return.
  // Everybody else calls init later, when the configuration is known to be good.
  if (argc > 1 && std::string_view(argv[1]).starts_with("--bulkhead-"))
    bulkhead::init(argc, argv);
  occupy_closed_streams();
  try {
    const auto parsed = bulkhead::command::parse_call(argc, argv);
    return parsed.wanted ? execute(*parsed.wanted, argc, argv) : parsed.exit_status;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "bulkhead: %s\n", e.what());
    return 1;
  }
}
