// watchdog SECONDS PROGRAM [ARG]...
// Runs the program and passes its exit status on. When the time is up it
// prints where each process of its tree stands, kills the tree and exits 124.

#include <algorithm>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

namespace fs = std::filesystem;

constexpr int timed_out = 124;
constexpr int gdb_seconds = 15;

int pidfd_of(pid_t pid) { return static_cast<int>(syscall(SYS_pidfd_open, pid, 0)); }

/// Waits for the child; false when the time was up first.
bool wait_for(pid_t pid, int milliseconds, int& status) {
  pollfd ended{pidfd_of(pid), POLLIN, 0};
  const bool done = poll(&ended, 1, milliseconds) > 0;
  close(ended.fd);
  return done && waitpid(pid, &status, 0) == pid;
}

pid_t start(char** command) {
  const pid_t pid = fork();
  if (pid != 0)
    return pid;
  // The debugger is not our child's ancestor; Yama would refuse it.
  prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
  execvp(command[0], command);
  std::perror(command[0]);
  _exit(127);
}

std::string content_of(const fs::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<pid_t> children_of(pid_t pid) {
  std::vector<pid_t> children;
  std::error_code error;
  for (const auto& thread :
       fs::directory_iterator("/proc/" + std::to_string(pid) + "/task", error)) {
    std::ifstream list(thread.path() / "children");
    std::copy(std::istream_iterator<pid_t>(list), {}, std::back_inserter(children));
  }
  return children;
}

std::vector<pid_t> tree_of(pid_t root) {
  std::vector<pid_t> tree{root};
  for (std::size_t i = 0; i < tree.size(); ++i)
    for (pid_t child : children_of(tree[i]))
      tree.push_back(child);
  return tree;
}

/// What the kernel says of each thread; works where no debugger is installed.
void print_threads(pid_t pid) {
  std::error_code error;
  for (const auto& thread :
       fs::directory_iterator("/proc/" + std::to_string(pid) + "/task", error)) {
    std::string name = content_of(thread.path() / "comm");
    name.erase(std::remove(name.begin(), name.end(), '\n'), name.end());
    std::printf("thread %s (%s) waits in: %s\n%s", thread.path().filename().c_str(), name.c_str(),
                content_of(thread.path() / "wchan").c_str(),
                content_of(thread.path() / "stack").c_str());
  }
}

void print_stacks(pid_t pid) {
  const std::string target = std::to_string(pid);
  std::vector<std::string> words{
    "gdb", "-nx", "-batch", "-p", target, "-ex", "thread apply all bt 30"};
  std::vector<char*> command;
  for (auto& word : words)
    command.push_back(word.data());
  command.push_back(nullptr);
  const pid_t debugger = start(command.data());
  int status = 0;
  if (wait_for(debugger, gdb_seconds * 1000, status))
    return;
  kill(debugger, SIGKILL);
  waitpid(debugger, &status, 0);
}

void report(const std::vector<pid_t>& tree) {
  for (pid_t pid : tree) {
    std::string line = content_of("/proc/" + std::to_string(pid) + "/cmdline");
    std::replace(line.begin(), line.end(), '\0', ' ');
    std::printf("\n=== process %d: %s\n", pid, line.c_str());
    print_threads(pid);
    std::fflush(stdout);
    print_stacks(pid);
  }
}

int expire(pid_t test, int seconds) {
  std::printf("\nwatchdog: no end after %d s; the processes and their stacks:\n", seconds);
  const auto tree = tree_of(test);
  report(tree);
  for (pid_t pid : tree)
    kill(pid, SIGKILL);
  int status = 0;
  waitpid(test, &status, 0);
  return timed_out;
}

} // namespace

int main(int argc, char** argv) {
  int seconds = 0;
  if (argc < 3
      || std::from_chars(argv[1], argv[1] + std::strlen(argv[1]), seconds).ec != std::errc{}) {
    std::fprintf(stderr, "usage: %s SECONDS PROGRAM [ARG]...\n", argv[0]);
    return 2;
  }
  const pid_t test = start(argv + 2);
  int status = 0;
  if (!wait_for(test, seconds * 1000, status))
    return expire(test, seconds);
  if (WIFEXITED(status))
    return WEXITSTATUS(status);
  std::printf("watchdog: the test was ended by signal %d (%s)\n", WTERMSIG(status),
              strsignal(WTERMSIG(status)));
  return 128 + WTERMSIG(status);
}
