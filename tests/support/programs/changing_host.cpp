// changing_host CASE: a host that changes what it is to the kernel after init. Ends with 0 when a
// process of each start method is like the host then; says on stderr what is not.

#include <bulkhead/bulkhead.hpp>

#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
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
    for (const char* name : {"Uid:", "Gid:", "Groups:", "CapPrm:", "CapEff:", "CapInh:", "Umask:"})
      if (line.starts_with(name))
        text << line << '\n';
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
  }
  return good ? 0 : 1;
}
