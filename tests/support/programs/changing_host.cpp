// changing_host CASE: a host that changes what it is to the kernel after init. Ends with 0 when a
// process of each start method is like the host then; says on stderr what is not.

#include <bulkhead/bulkhead.hpp>

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <linux/securebits.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

using namespace std::chrono_literals;

namespace {

// Rights as the kernel shows them, and the rest of what follows the host.
std::string state() {
  std::ostringstream text;
  std::ifstream status{"/proc/self/status"};
  for (std::string line; std::getline(status, line);)
    for (const char* name : {"Uid:", "Gid:", "Groups:", "CapPrm:", "CapEff:", "CapInh:", "CapBnd:",
                             "CapAmb:", "Seccomp_filters:", "Umask:"})
      if (line.starts_with(name))
        text << line << '\n';
  std::ifstream groups{"/proc/self/cgroup"};
  text << groups.rdbuf() << (::prctl(PR_GET_SECUREBITS) & ~int{issecure_mask(SECURE_KEEP_CAPS)})
       << '\n';
  for (const char* kind : {"ipc", "net", "uts", "mnt", "user"})
    text << std::filesystem::read_symlink(std::string{"/proc/self/ns/"} + kind) << '\n';
  char directory[PATH_MAX] = "";
  text << ::getcwd(directory, sizeof directory) << '\n';
  cpu_set_t cpus{};
  ::sched_getaffinity(0, sizeof cpus, &cpus);
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  const auto* word = std::getenv("CHANGING_HOST");
  text << CPU_COUNT(&cpus) << ' ' << files.rlim_cur << ' ' << files.rlim_max << ' '
       << (word != nullptr ? word : "-");
  return text.str();
}

bool like_the_host(bulkhead::start_method method, const char* when) {
  bulkhead::pool pool({.workers = 1, .start = method, .task_timeout = 60s});
  const auto here = state();
  const auto there = pool.apply([] { return state(); });
  if (here == there)
    return true;
  std::fprintf(stderr, "%s: host\n%s\nworker\n%s\n", when, here.c_str(), there.c_str());
  return false;
}

void move_about() {
  if (::chdir("/usr") != 0)
    std::abort();
  ::umask(027);
  cpu_set_t one{};
  CPU_SET(static_cast<unsigned>(::sched_getcpu()), &one);
  ::sched_setaffinity(0, sizeof one, &one);
  const rlimit files{300, 400};
  ::setrlimit(RLIMIT_NOFILE, &files);
}

bool drop_privileges() {
  const gid_t groups[] = {65533, 65534};
  return ::setgroups(2, groups) == 0 && ::setresgid(65534, 65534, 65534) == 0
         && ::setresuid(65534, 65534, 65534) == 0;
}

bool set_capabilities(std::uint32_t permitted, std::uint32_t inheritable) {
  __user_cap_header_struct head{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct words[2] = {{permitted, permitted, inheritable}, {}};
  return ::syscall(SYS_capset, &head, words) == 0;
}

// Another user that keeps two capabilities, one of them ambient, and can get no other back.
bool keeps_some() {
  constexpr unsigned long locked = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED;
  constexpr std::uint32_t bind = 1U << CAP_NET_BIND_SERVICE;
  constexpr std::uint32_t trace = 1U << CAP_SYS_PTRACE;
  return ::prctl(PR_CAPBSET_DROP, CAP_SYS_ADMIN, 0, 0, 0) == 0
         && ::prctl(PR_SET_SECUREBITS, locked, 0, 0, 0) == 0
         && ::prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) == 0 && drop_privileges()
         && set_capabilities(bind | trace, bind)
         && ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_BIND_SERVICE, 0, 0) == 0;
}

bool filter_ptrace() {
  sock_filter steps[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ptrace, 0, 1),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EXDEV),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program{std::size(steps), steps};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
         && ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

bool enter_namespaces() { return ::unshare(CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET) == 0; }

bool ends_a_hung_task() {
  bulkhead::pool pool({.workers = 1, .task_timeout = 300ms});
  const auto first = pool.apply([] { return ::getpid(); });
  try {
    pool.apply([] {
      for (;;)
        ::pause();
    });
  } catch (const bulkhead::error&) {
  }
  return ::kill(first, 0) != 0; // gone, and no other has the number so soon
}

// For a while another user, then root again: a process of each time is like the host of that time.
bool and_back() {
  bool good = ::seteuid(65534) == 0;
  good = like_the_host(bulkhead::start_method::forkserver, "for a while") && good;
  good = ::seteuid(0) == 0 && good;
  return like_the_host(bulkhead::start_method::forkserver, "root again") && good;
}

// The pool is refused, and then an argument: the host lives.
bool outlives_its_file_limit() {
  rlimit files{100'000, RLIM_INFINITY};
  ::setrlimit(RLIMIT_FSIZE, &files);
  bool refused = false;
  try {
    bulkhead::pool pool({.workers = 1});
  } catch (const std::exception&) {
    refused = true;
  }
  files.rlim_cur = 3 << 20;
  ::setrlimit(RLIMIT_FSIZE, &files);
  bulkhead::pool pool({.workers = 1});
  try {
    pool.apply([](const std::string& text) { return text.size(); }, std::string(8 << 20, 'x'));
    return false;
  } catch (const std::exception&) {
  }
  return refused && pool.apply([] { return 7; }) == 7;
}

// stdout is a pipe and has been used; what the tasks print comes before their end.
bool prints() {
  std::puts("header");
  bulkhead::preload(bulkhead::call([] { std::puts("preloaded"); }));
  {
    bulkhead::pool pool({.workers = 1, .start = bulkhead::start_method::fork});
    try {
      pool.apply([] {
        std::puts("last words");
        std::abort();
      });
    } catch (const bulkhead::error&) {
    }
  }
  bulkhead::process child{[] {
    std::ios::sync_with_stdio(false);
    std::cout << "unsynchronised\n";
  }};
  child.start();
  child.join();
  return child.exit_code() == 0;
}

// What has become stdout since init, and not what it was then.
bool redirects() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0)
    return false;
  bool good = true;
  using bulkhead::start_method;
  for (const auto method : {start_method::forkserver, start_method::spawn, start_method::fork}) {
    ::dup2(ends[1], STDOUT_FILENO);
    bulkhead::pool pool({.workers = 1, .start = method, .task_timeout = 60s});
    pool.apply([] { std::puts("here"); });
    char text[5] = "";
    good = ::read(ends[0], text, sizeof text) == 5 && std::memcmp(text, "here\n", 5) == 0 && good;
  }
  return good;
}

bool follows() {
  using bulkhead::start_method;
  bool good = true;
  for (const auto method : {start_method::forkserver, start_method::spawn, start_method::fork})
    good = like_the_host(method, "after the change") && good;
  return good;
}

} // namespace

int main(int argc, char** argv) {
  bulkhead::init(argc, argv);
  const std::string which = argc > 1 ? argv[1] : "";
  bool good = false;
  if (which == "moves") {
    move_about();
    good = follows();
  } else if (which == "drops") {
    good = drop_privileges() && follows() && ends_a_hung_task();
  } else if (which == "small_files") {
    good = outlives_its_file_limit();
  } else if (which == "prints") {
    good = prints();
  } else if (which == "comes_back") {
    good = and_back();
  } else if (which == "redirects") {
    good = redirects();
  } else if (which == "keeps_some") {
    good = keeps_some() && like_the_host(bulkhead::start_method::forkserver, "some rights");
  } else if (which == "filtered") {
    good = filter_ptrace() && follows();
  } else if (which == "elsewhere") {
    good = enter_namespaces() && follows();
  }
  return good ? 0 : 1;
}
