// restless_host CASE: a host that forks, executes itself, closes what it does not own, or is
// started in an unusual way. Ends with 0 when the library goes on rightly; says on stderr what went
// wrong.

#include <bulkhead/tasks.hpp>

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

using namespace std::chrono_literals;

namespace {

bool complain(const char* what) {
  std::fprintf(stderr, "%s\n", what);
  return false;
}

bool pool_works(bulkhead::start_method method = bulkhead::start_method::forkserver) {
  bulkhead::pool pool({.workers = 1, .start = method, .task_timeout = 60s});
  return pool.apply([](int x) { return x + 1; }, 41) == 42;
}

// As daemon(3) does it: the parent ends, the copy goes on, and says how it went.
bool goes_on_in_a_copy(int argc, char** argv) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0)
    return false;
  const auto pid = ::fork();
  if (pid == 0) {
    bulkhead::init(argc, argv);
    const char good = pool_works() && pool_works(bulkhead::start_method::spawn) ? 1 : 0;
    ::_exit(::write(ends[1], &good, 1) == 1 ? 0 : 1);
  }
  ::close(ends[1]);
  char good = 0;
  const auto told = ::read(ends[0], &good, 1) == 1 && good == 1;
  ::waitpid(pid, nullptr, 0);
  return told && pool_works(); // and the original has lost nothing
}

// The application's connections, which have the numbers of ours, get nothing and stay open.
bool closes_all_then_works() {
  ::closefrom(3);
  std::vector<std::array<int, 2>> connections(8);
  for (auto& pair : connections)
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair.data()) != 0)
      return false;
  if (!pool_works() || !pool_works(bulkhead::start_method::spawn))
    return complain("the pool did not work");
  for (auto& pair : connections)
    for (const int fd : pair) {
      char byte = 0;
      if (::recv(fd, &byte, 1, MSG_DONTWAIT) >= 0 || errno != EAGAIN)
        return complain("a connection of the application was used or closed");
    }
  return ::waitpid(-1, nullptr, WNOHANG | __WALL) <= 0;
}

int children_named_forkserver() {
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator{"/proc/self/task"}) {
    std::ifstream list{entry.path() / "children"};
    for (std::string pid; list >> pid;) {
      std::ifstream comm{"/proc/" + pid + "/comm"};
      std::string name;
      std::getline(comm, name);
      count += name == "bulkhead-fs" ? 1 : 0;
    }
  }
  return count;
}

// Five images of one process, one after the other: only the last one's forkserver is there.
bool executes_itself(char** argv) {
  const int round = argv[2] != nullptr ? std::atoi(argv[2]) : 0;
  if (!pool_works())
    return complain("the pool did not work");
  if (round < 5) {
    const auto next = std::to_string(round + 1);
    ::execl("/proc/self/exe", argv[0], argv[1], next.c_str(), nullptr);
    return false;
  }
  return children_named_forkserver() <= 1 || complain("forkservers of former images are left");
}

// Open before init, as the file of a static logger is.
const int logger = ::open("/dev/zero", O_RDWR | O_CLOEXEC);

// What a task opens never has the logger's number, and what is written there reaches nothing.
bool keeps_numbers_apart() {
  for (const auto method : {bulkhead::start_method::forkserver, bulkhead::start_method::spawn,
                            bulkhead::start_method::fork}) {
    bulkhead::pool pool({.workers = 1, .start = method, .task_timeout = 60s});
    const auto good =
      pool.apply([] { // an executed worker has opened its own, with a number of its own
        const int number = logger;
        const auto there = std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(number));
        const int opened = ::open("/dev/zero", O_RDONLY | O_CLOEXEC);
        return there == "/dev/null" && opened >= 0 && opened != number
               && ::write(number, "line", 4) == 4;
      });
    if (!good || pool.apply([] { return 5; }) != 5)
      return complain("a logger's number was given to another file");
  }
  return true;
}

struct noticed_end {
  ~noticed_end() {
    if (const auto* path = std::getenv("RESTLESS_HOST_FILE"))
      std::ofstream{path, std::ios::app} << "end of " << ::getpid() << '\n';
  }
};
noticed_end static_object;

// exit() in a task ends its worker; the host's static objects are the host's. Many times, since
// what exit() destroys must not be in use by the worker's other threads.
bool tasks_exit() {
  bulkhead::pool pool({.workers = 2, .task_timeout = 60s});
  std::vector<bulkhead::future<void>> all;
  for (int i = 0; i < 100; ++i)
    all.push_back(pool.submit([] { std::exit(3); }));
  for (auto& each : all)
    try {
      each.get();
      return complain("a task returned from exit()");
    } catch (const bulkhead::worker_died& e) {
      if (e.info().exit.code != 3)
        return complain(e.what());
    }
  return true;
}

bool processes_exit() {
  for (int i = 0; i < 50; ++i) {
    bulkhead::process p([] { std::exit(3); });
    p.start();
    p.join();
    if (p.exit_code() != 3)
      return complain("a process that called exit(3) ended in another way");
  }
  return true;
}

} // namespace

int main(int argc, char** argv) {
  bulkhead::init(argc, argv);
  const std::string which = argc > 1 ? argv[1] : "";
  bool good = false;
  if (which == "copy")
    good = goes_on_in_a_copy(argc, argv);
  else if (which == "closes")
    good = closes_all_then_works();
  else if (which == "executes")
    good = executes_itself(argv);
  else if (which == "numbers")
    good = keeps_numbers_apart();
  else if (which == "exits")
    good = tasks_exit() && processes_exit();
  else if (which == "loader")
    good = pool_works() && pool_works(bulkhead::start_method::spawn);
  return good ? 0 : 1;
}
