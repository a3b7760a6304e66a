#include "runtime/process/worker_setup.hpp"

#include "runtime/system/unique_fd.hpp"

#include <bulkhead/error.hpp>

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <string>

// What a worker does to itself before it runs the code of others. apply() and reset_signals() run
// in the worker and make plain system calls; from() runs in the host, and refuses there what could
// only fail later.
namespace bulkhead::runtime {

namespace {

using resource = decltype(RLIMIT_CORE);

struct limit_step {
  const char* call;
  resource which;
  std::uint64_t worker_setup::*value;
};

constexpr std::array limit_table{
  limit_step{"setrlimit(RLIMIT_AS)", RLIMIT_AS, &worker_setup::address_space},
  limit_step{"setrlimit(RLIMIT_CPU)", RLIMIT_CPU, &worker_setup::cpu_seconds},
  limit_step{"setrlimit(RLIMIT_NOFILE)", RLIMIT_NOFILE, &worker_setup::open_files},
  limit_step{"setrlimit(RLIMIT_FSIZE)", RLIMIT_FSIZE, &worker_setup::file_size},
  limit_step{"setrlimit(RLIMIT_STACK)", RLIMIT_STACK, &worker_setup::stack_size},
  limit_step{"setrlimit(RLIMIT_NPROC)", RLIMIT_NPROC, &worker_setup::processes},
};

int set_limit(resource which, std::uint64_t value) noexcept {
  rlimit limit{};
  if (::getrlimit(which, &limit) != 0)
    return errno;
  limit.rlim_cur = value;
  // Both limits: a task could raise the soft one again up to the hard one.
  if (which == RLIMIT_CPU) // SIGXCPU first: at the hard limit the kernel sends SIGKILL
    limit.rlim_max = std::min<rlim_t>(limit.rlim_max, value + 1);
  else if (which != RLIMIT_CORE)
    limit.rlim_max = value;
  return ::setrlimit(which, &limit) == 0 ? 0 : errno;
}

int raise_oom_score(int by) noexcept {
  const unique_fd file{::open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC)};
  if (!file)
    return errno;
  std::array<char, 16> text{};
  int score = 0;
  const auto count = ::read(file.get(), text.data(), text.size());
  if (count > 0)
    std::from_chars(text.data(), text.data() + count, score);
  const auto end = std::to_chars(text.begin(), text.end(), std::clamp(score + by, -1000, 1000)).ptr;
  const auto bytes = static_cast<std::size_t>(end - text.data());
  return ::pwrite(file.get(), text.data(), bytes, 0) < 0 ? errno : 0;
}

int renice(int by) noexcept {
  errno = 0;
  return ::nice(by) == -1 && errno != 0 ? errno : 0;
}

int privileges(int option, unsigned long value) noexcept {
  return ::prctl(option, value, 0UL, 0UL, 0UL) == 0 ? 0 : errno;
}

setup_failure apply_limits(const worker_setup& setup, setup_report& report) noexcept {
  for (const auto& step : limit_table) {
    const auto value = setup.*step.value;
    if (value == worker_setup::inherited)
      continue;
    const auto error = set_limit(step.which, value);
    report.note(setup_step::limits, error);
    if (error != 0)
      return {step.call, error, value};
  }
  return {};
}

} // namespace

void reset_signals() noexcept {
  struct sigaction plain {};
  plain.sa_handler = SIG_DFL;
  for (int signal = 1; signal < NSIG; ++signal)
    ::sigaction(signal, &plain, nullptr); // SIGKILL, SIGSTOP and libc's own refuse: rightly
  plain.sa_handler = SIG_IGN;
  ::sigaction(SIGINT, &plain, nullptr);
  // A worker is in a background group of the host's terminal: with these at their defaults the
  // terminal would stop a task that prints (stty tostop) or reads.
  ::sigaction(SIGTTOU, &plain, nullptr);
  ::sigaction(SIGTTIN, &plain, nullptr);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

setup_failure apply(const worker_setup& setup, setup_report& report) noexcept {
  // A group of its own, by which the undertaker kills what the worker leaves behind.
  report.note(setup_step::process_group, ::setpgid(0, 0) == 0 ? 0 : errno);
  if (setup.core_size != worker_setup::inherited)
    report.note(setup_step::core_size, set_limit(RLIMIT_CORE, setup.core_size));
  if (const auto failed = apply_limits(setup, report); failed.call != nullptr)
    return failed;
  if (setup.oom_score != 0)
    report.note(setup_step::oom_score, raise_oom_score(setup.oom_score));
  if (setup.nice != 0)
    report.note(setup_step::nice, renice(setup.nice));
  if (setup.wants_affinity()) {
    const auto error =
      ::sched_setaffinity(0, sizeof setup.affinity, &setup.affinity) == 0 ? 0 : errno;
    report.note(setup_step::affinity, error);
    if (error != 0)
      return {"sched_setaffinity", error, static_cast<std::uint64_t>(CPU_COUNT(&setup.affinity))};
  }
  if (setup.no_new_privileges)
    report.note(setup_step::no_new_privileges, privileges(PR_SET_NO_NEW_PRIVS, 1));
  report.note(setup_step::descendants, privileges(PR_SET_CHILD_SUBREAPER, 1));
  if (setup.dies_with_forkserver)
    report.note(setup_step::parent_death, privileges(PR_SET_PDEATHSIG, SIGKILL));
  return {};
}

worker_setup worker_setup::from(const resource_limits& limits, const std::vector<int>& affinity,
                                int nice) {
  using namespace std::chrono;
  if (nice < 0 || nice > 19)
    throw config_error("nice: " + std::to_string(nice) + " is not within 0 and 19");
  worker_setup setup;
  setup.nice = nice;
  setup.address_space = limits.address_space.value_or(inherited);
  if (limits.cpu_time > nanoseconds{0})
    setup.cpu_seconds = static_cast<std::uint64_t>(ceil<seconds>(limits.cpu_time).count());
  setup.open_files = limits.open_files.value_or(inherited);
  setup.core_size = limits.core_size.value_or(inherited);
  setup.file_size = limits.file_size.value_or(inherited);
  setup.stack_size = limits.stack_size.value_or(inherited);
  setup.processes = limits.processes.value_or(inherited);
  for (const int cpu : affinity) {
    if (cpu < 0 || cpu >= CPU_SETSIZE)
      throw config_error("affinity: there is no CPU " + std::to_string(cpu));
    CPU_SET(static_cast<unsigned>(cpu), &setup.affinity);
  }
  return setup;
}

} // namespace bulkhead::runtime
