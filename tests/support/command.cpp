#include "tests/support/command.hpp"

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <stdexcept>

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

namespace bulkhead::testing {

namespace {

constexpr auto patience = std::chrono::seconds{60};

struct ends {
  int ours;
  int theirs;
};

ends make_pipe() {
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC) != 0)
    throw std::runtime_error("pipe2");
  return {fds[0], fds[1]};
}

ends make_terminal(unsigned short columns) {
  winsize size{24, columns, 0, 0};
  int ours = -1;
  int theirs = -1;
  if (::openpty(&ours, &theirs, nullptr, nullptr, &size) != 0)
    throw std::runtime_error("openpty");
  ::fcntl(ours, F_SETFD, FD_CLOEXEC);
  ::fcntl(theirs, F_SETFD, FD_CLOEXEC);
  return {ours, theirs};
}

/// Between fork and exec: async-signal-safe calls only.
[[noreturn]] void become(char* const* words, int in, int out, int err, bool traced) {
  if (in >= 0)
    ::dup2(in, STDIN_FILENO);
  ::dup2(out, STDOUT_FILENO);
  ::dup2(err, STDERR_FILENO);
  if (traced)
    ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
  ::execv(words[0], words);
  ::_exit(127);
}

/// Appends what can be read now; closes the descriptor at its end.
void read_into(int& fd, std::string& to) {
  char block[4096];
  const auto got = ::read(fd, block, sizeof block);
  if (got > 0)
    to.append(block, static_cast<std::size_t>(got));
  else if (got == 0 || errno != EINTR) { // EIO: the last holder of a terminal is gone
    ::close(fd);
    fd = -1;
  }
}

} // namespace

command::command(std::vector<std::string> arguments, terminal shown, bool traced, int input)
  : traced_(traced) {
  arguments.insert(arguments.begin(), BULKHEAD_BINARY_DIR "/bin/bulkhead");
  std::vector<char*> words;
  for (auto& word : arguments)
    words.push_back(word.data());
  words.push_back(nullptr);
  const auto out = make_pipe();
  const auto err =
    shown == terminal::none ? make_pipe() : make_terminal(shown == terminal::narrow ? 12 : 100);
  // LeakSanitizer starts a process of its own at the end.
  if (traced)
    ::setenv("ASAN_OPTIONS", "detect_leaks=0", 1);
  pid_ = ::fork();
  if (pid_ == 0)
    become(words.data(), input, out.theirs, err.theirs, traced);
  ::close(out.theirs);
  ::close(err.theirs);
  out_fd_ = out.ours;
  err_fd_ = err.ours;
}

command::~command() {
  if (!ended_) {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  for (const int fd : {out_fd_, err_fd_})
    if (fd >= 0)
      ::close(fd);
}

void command::signal(int number) const { ::kill(pid_, number); }

void command::close_output() {
  ::close(out_fd_);
  out_fd_ = -1;
}

bool command::read_some(std::chrono::milliseconds time) {
  pollfd watched[] = {{out_fd_, POLLIN, 0}, {err_fd_, POLLIN, 0}};
  if ((out_fd_ < 0 && err_fd_ < 0) || ::poll(watched, 2, static_cast<int>(time.count())) <= 0)
    return false;
  if (watched[0].revents != 0)
    read_into(out_fd_, out_);
  if (watched[1].revents != 0)
    read_into(err_fd_, err_);
  return true;
}

bool command::wait_for_text(const std::string& text) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  const auto there = [&] {
    return out_.find(text) != std::string::npos || err_.find(text) != std::string::npos;
  };
  while (!there() && std::chrono::steady_clock::now() < deadline)
    if (!read_some(patience))
      break;
  return there();
}

void command::wait_traced() {
  // Each child of a traced process begins traced, too, and is released at once.
  bool prepared = false;
  while (true) {
    int status = 0;
    const pid_t who = ::waitpid(-1, &status, __WALL);
    if (who < 0)
      return;
    if (WIFEXITED(status) || WIFSIGNALED(status)) {
      if (who == pid_) {
        status_ = status;
        return;
      }
      continue;
    }
    if (who != pid_) {
      ::ptrace(PTRACE_DETACH, who, nullptr, nullptr);
      continue;
    }
    if (!prepared)
      ::ptrace(PTRACE_SETOPTIONS, pid_, nullptr,
               PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE);
    prepared = true;
    const bool event = (status >> 16) != 0;
    started_ += event ? 1 : 0;
    const int stop = WSTOPSIG(status);
    const long passed = event || stop == SIGTRAP ? 0 : stop;
    ::ptrace(PTRACE_CONT, pid_, nullptr, passed);
  }
}

int command::wait() {
  if (traced_) {
    wait_traced(); // its output fits into the pipes
    while (read_some(patience)) {
    }
  } else {
    while (read_some(patience)) {
    }
    ::waitpid(pid_, &status_, 0);
  }
  ended_ = true;
  return WIFEXITED(status_) ? WEXITSTATUS(status_) : 1000 + WTERMSIG(status_);
}

} // namespace bulkhead::testing
