// Limits of time, memory, descriptors and files, and rights that a host gives up.
#include "tests/field/helpers.hpp"

#include <sys/resource.h>

using namespace bulkhead;
using namespace bulkhead::field;

namespace {

int until_asked(int x) {
  while (!this_worker::stop_requested())
    ::usleep(500);
  return x;
}

std::size_t length(const std::string& text) { return text.size(); }

std::vector<char> model;

} // namespace

FIELD_PROGRAM(the_time_of_an_initializer_is_not_that_of_the_first_task, "2", "") {
  pool p{{.workers = 1, .initializer = [] { ::usleep(1'500'000); }, .task_timeout = 1s}};
  return word(p.submit(plus_one, 1).outcome());
}

FIELD_PROGRAM(a_soft_limit_holds_for_every_item_of_a_chunk, "8 of 8 were asked to stop", "") {
  pool p{{.workers = 1, .grace = 60s}};
  auto polite = p.with({.soft_timeout = 20ms});
  const auto all = polite.map(until_asked, numbers(8), {.chunk = 8});
  return std::to_string(all.size()) + " of 8 were asked to stop";
}

FIELD_PROGRAM(a_deadline_ends_what_waits_behind_a_busy_worker, "6 of 6 expired before it ended",
              "") {
  const gate closed;
  pool p{{.workers = 2}};
  p.broadcast([] { return 1; }); // both have started
  const auto one = p.submit(pass, closed.path());
  const auto two = p.submit(pass, closed.path());
  eventually([&] {
    const auto all = p.workers();
    return std::all_of(all.begin(), all.end(),
                       [](const worker_info& w) { return w.state == worker_state::busy; });
  });
  std::vector<future<int>> behind;
  behind.reserve(6);
  for (int i = 0; i < 6; ++i)
    behind.push_back(p.with({.deadline = 50ms}).submit(plus_one, i));
  int expired = 0;
  for (const auto& f : behind)
    expired += f.wait(60s) && f.outcome().failure().kind == failure_kind::timeout;
  const bool before = !one.ready() && !two.ready();
  closed.open();
  return std::to_string(expired) + " of 6 expired" + (before ? " before it ended" : " too late");
}

FIELD_PROGRAM(memory_that_a_worker_was_born_with_is_not_its_own, "20 of 20, 0 replaced", "") {
  preload([] { model.assign(std::size_t{60} << 20, 'm'); });
  pool p{{.workers = 2, .max_memory_per_worker = std::size_t{40} << 20}};
  int done = 0;
  for (int i = 0; i < 20; ++i)
    done += p.submit([] { ::usleep(10'000); }).outcome().has_value();
  return std::to_string(done) + " of 20, "
         + counted(p.stats().restarts + p.stats().recycled, "replaced");
}

FIELD_PROGRAM(a_worker_without_descriptors_takes_large_arguments, "1048576, then 2", "") {
  pool p{{.workers = 1, .limits = {.open_files = 64}}};
  p.apply([] {
    while (::dup(0) >= 0)
      continue;
  });
  const auto large = p.submit(length, std::string(1 << 20, 'x'));
  if (!large.wait(60s))
    return "no outcome";
  return word(large.outcome()) + ", then " + word(p.submit(plus_one, 1).outcome());
}

FIELD_PROGRAM(a_small_limit_of_file_sizes_is_an_error_and_no_signal, "refused, the host lives",
              "") {
  const rlimit small{300'000, 300'000};
  ::setrlimit(RLIMIT_FSIZE, &small);
  try {
    pool p{{.workers = 1}};
    return "made";
  } catch (const std::exception&) {
    return "refused, the host lives";
  }
}

FIELD_PROGRAM(large_arguments_beyond_the_limit_of_file_sizes_are_refused, "too_large, then 2", "") {
  const rlimit small{std::size_t{3} << 20, std::size_t{3} << 20};
  ::setrlimit(RLIMIT_FSIZE, &small);
  pool p{{.workers = 1}};
  std::string how = "taken";
  try {
    how = word(p.submit(length, std::string(8 << 20, 'x')).outcome());
  } catch (const too_large&) {
    how = "too_large";
  } catch (const std::exception& e) {
    how = e.what();
  }
  return how + ", then " + word(p.submit(plus_one, 1).outcome());
}

FIELD_PROGRAM(rights_that_the_host_gave_up_no_worker_has, "uid 65534, its endless task timeout",
              "root") {
  if (::setresgid(65534, 65534, 65534) != 0 || ::setresuid(65534, 65534, 65534) != 0)
    return "cannot give up root";
  pool p{{.workers = 1, .task_timeout = 300ms}};
  const auto uid = p.apply([] { return static_cast<int>(::getuid()); });
  const auto endless = p.submit([] {
    for (;;)
      ::pause();
  });
  return "uid " + std::to_string(uid) + ", its endless task " + word(endless.outcome());
}

FIELD_PROGRAM(a_join_may_be_as_long_as_durations_can_be, "ended, ended, ended", "") {
  const auto waited = [](auto how_long) {
    process child([] { ::usleep(100'000); });
    child.start();
    return std::string(child.join(how_long) ? "ended" : "gave up");
  };
  return waited(std::chrono::seconds::max()) + ", " + waited(std::chrono::hours::max()) + ", "
         + waited(std::chrono::years{300});
}

FIELD_PROGRAM(a_limit_is_kept_while_the_forkserver_is_stopped, "timeout before the replacement",
              "open") {
  std::atomic<bool> replaced = false;
  pool limited{{.workers = 1, .task_timeout = 300ms}};
  pool dying{{.workers = 1, .on_event = [&](const pool_event& e) {
                replaced = replaced || (e.kind == event_kind::started && e.worker > 1);
              }}};
  limited.apply([] {});
  const auto worker = dying.apply(own_pid);
  ::kill(forkserver(), SIGSTOP);
  ::kill(worker, SIGKILL);
  eventually([&] { return state_of(worker) == 'Z' || state_of(worker) == '\0'; });
  const auto hung = limited.submit([] { ::pause(); }).outcome();
  const bool before = !replaced;
  if (const auto pid = forkserver(); pid != 0)
    ::kill(pid, SIGCONT);
  return word(hung) + (before ? " before the replacement" : " after the replacement");
}
