// surrounded_host SURROUNDINGS PROFILE [require | audit]: a host that starts in surroundings that
// have less than the machine, and runs a task in a sandbox. Prints "ran 42" and each part of the
// sandbox, "seccomp active" or "landlock inactive: why", or "refused: why". 77: these surroundings
// cannot be made here.

#include "tests/support/sanitizer_calls.hpp"

#include <bulkhead/audit.hpp>
#include <bulkhead/tasks.hpp>

#include <fcntl.h>
#include <grp.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

using namespace std::chrono_literals;

namespace {

constexpr int skipped = 77;
constexpr uid_t nobody = 65534;

[[noreturn]] void cannot(const char* what) {
  std::fprintf(stderr, "%s: %s\n", what, std::strerror(errno));
  std::_Exit(skipped);
}

/// From now on the call fails with this errno, here and in all that comes of us.
void take_away(long number, int error) {
  sock_filter code[] = {
    {BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(seccomp_data, nr)},
    {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, static_cast<std::uint32_t>(number)},
    {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(error)},
    {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW},
  };
  const sock_fprog program{std::size(code), code};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
      || ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) != 0)
    cannot("a filter");
}

void become_nobody() {
  if (::getuid() != 0)
    return;
  if (::setgroups(0, nullptr) != 0 || ::setresgid(nobody, nobody, nobody) != 0
      || ::setresuid(nobody, nobody, nobody) != 0)
    cannot("another user");
  ::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0); // as a program that this user started
}

void write_text(const char* path, const std::string& text) {
  const int fd = ::open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0 || ::write(fd, text.data(), text.size()) != static_cast<ssize_t>(text.size()))
    cannot(path);
  ::close(fd);
}

/// As podman makes one for an ordinary user: the first process of namespaces of its own, root in
/// there and nobody outside.
void enter_container() {
  become_nobody();
  const auto user = std::to_string(::getuid());
  const auto group = std::to_string(::getgid());
  if (::unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWNET
                | CLONE_NEWUTS)
      != 0)
    cannot("namespaces");
  write_text("/proc/self/setgroups", "deny");
  write_text("/proc/self/uid_map", "0 " + user + " 1");
  write_text("/proc/self/gid_map", "0 " + group + " 1");
  const auto first = ::fork();
  if (first > 0) {
    int status = 0;
    ::waitpid(first, &status, 0);
    std::_Exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
  }
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0
      || ::mount("proc", "/proc", "proc", 0, nullptr) != 0)
    cannot("a /proc of its own");
}

struct surroundings {
  std::string_view name;
  void (*enter)();
};

constexpr surroundings known[] = {
  {"plain", [] {}},
  {"unprivileged", become_nobody},
  {"container", enter_container},
  {"foreign_filter", [] { take_away(SYS_personality, EPERM); }},
  {"no_landlock", [] { take_away(SYS_landlock_create_ruleset, ENOSYS); }},
  {"no_seccomp", [] { take_away(SYS_seccomp, ENOSYS); }},
  {"no_namespaces",
   [] {
     take_away(SYS_unshare, EPERM);
     take_away(SYS_setns, EPERM);
   }},
  {"no_tracing", [] { take_away(SYS_pidfd_getfd, EPERM); }},
};

int run(std::string_view profile, std::string_view how) {
  bulkhead::pool_options options;
  options.workers = 1;
  options.task_timeout = 60s;
  options.restart.max_restarts = 0;
  options.sandbox = bulkhead::tests::with_sanitizer_calls(
    {.base = profile == "strict" ? bulkhead::sandbox_profile::strict
                                 : bulkhead::sandbox_profile::standard,
     .require = how == "require"});
  if (how == "audit")
    options.sandbox.audit = std::make_shared<bulkhead::sandbox_audit>();
  try {
    bulkhead::pool pool(options);
    std::printf("ran %d\n", pool.apply([](int x) { return 2 * x; }, 21));
    // What a start has done comes by way of the forkserver, later than a result.
    const auto started = [&] {
      for (const auto& each : pool.isolation())
        if (each.name == "own_address_space")
          return each.active;
      return false;
    };
    while (!started())
      std::this_thread::sleep_for(1ms);
    for (const auto& each : pool.isolation())
      if (each.requested)
        std::printf("%s %s%s\n", each.name.c_str(),
                    each.active ? "active" : "inactive: ", each.why_not.c_str());
  } catch (const std::exception& e) {
    std::printf("refused: %s\n", e.what());
  }
  return 0;
}

} // namespace

int main(int argc, char** argv) {
  if (argc >= 3 && argv[1][0] != '-')
    for (const auto& each : known)
      if (each.name == argv[1])
        each.enter();
  bulkhead::init(argc, argv);
  return run(argv[2], argc > 3 ? argv[3] : "");
}
