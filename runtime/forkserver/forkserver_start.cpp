#include "runtime/forkserver/forkserver_start.hpp"

#include "runtime/code/fork_gate.hpp"
#include "runtime/forkserver/forkserver_main.hpp"
#include "runtime/process/launch_message.hpp"
#include "runtime/system/children.hpp"
#include "runtime/system/deadline.hpp"
#include "runtime/system/descriptors.hpp"
#include "runtime/system/exit_from_pidfd.hpp"
#include "runtime/system/launch_error.hpp"
#include "runtime/system/packet_socket.hpp"
#include "runtime/this_process/own_threads.hpp"
#include "runtime/this_process/this_process.hpp"

#include <bulkhead/failure.hpp>

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

namespace bulkhead::runtime {

namespace {

using namespace std::chrono_literals;
using time_point = std::chrono::steady_clock::time_point;

// Where libc keeps the id of this thread, as it told the kernel; null where the kernel does not
// say. Without it the forkserver works too, but raise() and abort() in a preload would miss it.
pid_t* noted_thread_id() noexcept {
  pid_t* at = nullptr;
  if (::prctl(PR_GET_TID_ADDRESS, &at) != 0 || at == nullptr || *at != ::gettid())
    return nullptr;
  return at;
}

struct socket_pairs {
  packet_socket::pair request;
  packet_socket::pair notices;
};

socket_pairs make_sockets() { return {packet_socket::make(), packet_socket::make()}; }

[[noreturn]] void serve(socket_pairs& sockets, pid_t host) {
  forkserver_main({.request = std::move(sockets.request.theirs),
                   .notices = std::move(sockets.notices.theirs),
                   .host = host,
                   .depth = this_process::get().depth});
}

// Without its pidfd: its number is ours, as it is an unreaped child.
void end_by_number(pid_t pid) noexcept {
  constexpr int turns = 3000; // of a millisecond
  for (int turn = 0; turn < turns; ++turn) {
    if (::waitpid(pid, nullptr, WNOHANG | __WALL) != 0)
      return;
    ::poll(nullptr, 0, 1);
  }
  ::kill(pid, SIGKILL);
  ::waitpid(pid, nullptr, __WALL);
}

forkserver_link link_to(socket_pairs& sockets, pid_t pid) {
  forkserver_link link;
  link.request = std::move(sockets.request.ours);
  link.notices = std::move(sockets.notices.ours);
  link.pid = pid;
  link.pidfd = open_pidfd(pid);
  if (link.pidfd)
    return link;
  const auto error = errno;
  link = {};
  sockets = {}; // without them it ends
  end_by_number(pid);
  throw launch_error{"pidfd_open", error};
}

void refuse_deep_nesting() {
  if (this_process::get().depth >= max_depth)
    throw launch_error{"pools inside workers are nested " + std::to_string(max_depth)
                       + " deep: this worker may make no further processes"};
}

/// As exec wants them: borrowed, with a null at the end.
std::vector<char*> pointers_to(std::vector<std::string>& words) {
  std::vector<char*> made;
  made.reserve(words.size() + 1);
  for (auto& word : words)
    made.push_back(word.data());
  made.push_back(nullptr);
  return made;
}

class spawn_plan {
public:
  explicit spawn_plan(int request) : request_(request) {
    posix_spawnattr_init(&attributes_);
    posix_spawn_file_actions_init(&actions_);
    sigset_t set;
    sigfillset(&set);
    posix_spawnattr_setsigdefault(&attributes_, &set);
    sigemptyset(&set);
    posix_spawnattr_setsigmask(&attributes_, &set);
    // A group of its own: Ctrl-C goes to the foreground group, and only the host decides what it
    // means.
    posix_spawnattr_setpgroup(&attributes_, 0);
    posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK
                                             | POSIX_SPAWN_SETPGROUP);
    posix_spawn_file_actions_adddup2(&actions_, request, request); // drops close-on-exec
  }
  ~spawn_plan() {
    posix_spawn_file_actions_destroy(&actions_);
    posix_spawnattr_destroy(&attributes_);
  }
  spawn_plan(const spawn_plan&) = delete;
  spawn_plan& operator=(const spawn_plan&) = delete;

  pid_t start(const std::string& path) {
    auto words = this_process::get().command(forkserver_mark, request_);
    auto arguments = pointers_to(words);
    // A copy made in init: other threads may change the environment at this moment.
    auto lines = this_process::get().environment;
    auto environment = pointers_to(lines);
    pid_t pid = 0;
    // posix_spawn(3) and not fork: a host with much memory would copy its page tables, and one with
    // threads could do little in the child.
    const auto error = posix_spawn(&pid, path.c_str(), &actions_, &attributes_, arguments.data(),
                                   environment.data());
    if (error != 0)
      throw launch_error{"posix_spawn of the program", error};
    return pid;
  }

private:
  int request_;
  posix_spawnattr_t attributes_;
  posix_spawn_file_actions_t actions_;
};

// " (exited with code 1)", or nothing if it lives.
std::string how_it_ended(int pidfd) {
  if (wait_for(pidfd, POLLIN, std::chrono::steady_clock::now() + 1s) != 0)
    return {};
  const auto status = exit_from_pidfd(pidfd);
  if (!status)
    return {};
  exit_status ended;
  ended.code = WIFEXITED(*status) ? WEXITSTATUS(*status) : 0;
  ended.signal = WIFSIGNALED(*status) ? WTERMSIG(*status) : 0;
  ended.cause = ended.signal != 0 ? exit_cause::crashed : exit_cause::exited;
  return " (" + to_string(ended) + ")";
}

bool is_named_forkserver(pid_t pid) noexcept {
  std::array<char, 64> path{};
  std::array<char, 32> name{};
  std::snprintf(path.data(), path.size(), "/proc/%d/comm", static_cast<int>(pid));
  const unique_fd file{::open(path.data(), O_RDONLY | O_CLOEXEC)};
  return file && ::read(file.get(), name.data(), name.size() - 1) > 0
         && std::string_view{name.data()} == "bulkhead-fs\n";
}

void say_hello(forkserver_link& link, const unique_fd& notices, time_point deadline) {
  request_head hello;
  hello.kind = request_kind::hello;
  hello.host_pid = ::getpid();
  hello.depth = this_process::get().depth;
  const int fds[] = {notices.get(), this_process::get().exe};
  auto error = packet_socket::send(link.request.get(), bytes_of(hello), {}, fds, deadline);
  reply_head reply;
  if (error == 0) {
    const auto into = std::as_writable_bytes(std::span{&reply, 1});
    error = packet_socket::receive(link.request.get(), into, deadline).error;
  }
  if (error != 0)
    throw launch_error{"the forkserver" + how_it_ended(link.pidfd.get())
                         + " did not start (is bulkhead::init the first line of main, and do "
                           "static constructors work in a second process?)",
                       error};
  if (reply.threads > 1)
    link.threads = get_text(reply.text);
}

pid_t fork_in_quiet() {
  const fork_gate::closed gate;
  // While another thread is inside dlopen() the loader's lock is held, and would be for ever in the
  // copy.
  if (!gate.alone())
    throw launch_error{"no copy of the host can be made while a library is being loaded", EDEADLK};
  return ::fork();
}

} // namespace

// A plain clone with no exit signal. Unlike fork() it leaves libc's note of the thread's id as it
// was, so the child corrects that.
forkserver_link forkserver_by_clone() {
  auto sockets = make_sockets();
  const auto host = ::getpid();
  auto* const noted = noted_thread_id();
  const auto pid = static_cast<pid_t>(::syscall(SYS_clone, 0, 0, 0, 0, 0));
  if (pid == 0) {
    if (noted != nullptr)
      *noted = ::gettid();
    serve(sockets, host);
  }
  if (pid < 0)
    throw launch_error{"clone", errno};
  return link_to(sockets, pid);
}

forkserver_link forkserver_by_exec(time_point deadline) {
  refuse_deep_nesting();
  const auto exe = this_process::get().own_binary();
  if (exe < 0)
    throw launch_error{
      "no forkserver can be made: /proc/self/exe could not be opened at the start"};
  auto sockets = make_sockets();
  const auto pid =
    spawn_plan{sockets.request.theirs.get()}.start("/proc/self/fd/" + std::to_string(exe));
  auto link = link_to(sockets, pid);
  sockets.request.theirs.reset(); // so that its death is an end of stream
  try {
    say_hello(link, sockets.notices.theirs, deadline);
  } catch (...) {
    end_forkserver(link);
    throw;
  }
  return link;
}

// fork() and not clone: other threads of ours exist, and libc frees malloc's locks in the copy. Our
// own state is made anew there (process_state), so locks that our threads hold do not matter.
forkserver_link forkserver_copy() {
  refuse_deep_nesting();
  if (const auto threads = foreign_threads(); !threads.empty()) {
    std::string names;
    for (const auto& name : threads)
      names += (names.empty() ? "" : ", ") + name;
    throw launch_error{"start_method::fork needs a host without other threads, but it has: " + names
                       + "; use start_method::forkserver"};
  }
  auto sockets = make_sockets();
  const auto host = ::getpid();
  const auto pid = fork_in_quiet();
  if (pid == 0)
    serve(sockets, host);
  if (pid < 0)
    throw launch_error{"fork", errno};
  return link_to(sockets, pid);
}

void dismiss_forkserver(forkserver_link& link) noexcept {
  // A child that the host has forked may hold a copy: closing ours would be no end.
  if (link.request)
    ::shutdown(link.request.get(), SHUT_RDWR);
  link.request.reset();
  link.notices.reset();
  if (link.pidfd)
    wait_for(link.pidfd.get(), POLLIN, std::chrono::steady_clock::now() + 3s);
  end_forkserver(link);
}

// Of an image that this program was before it executed itself: their sockets have closed with it,
// so they end by themselves, and nobody else would wait for those that clone made.
void reap_former_forkservers() noexcept {
  std::array<pid_t, 256> pids{};
  const auto count = list_children(::gettid(), pids);
  for (const auto pid : std::span{pids.data(), count})
    if (is_named_forkserver(pid))
      end_by_number(pid);
}

void end_forkserver(forkserver_link& link) noexcept {
  if (link.pidfd) {
    send_signal(link.pidfd.get(), SIGKILL);
    wait_for(link.pidfd.get(), POLLIN, std::chrono::steady_clock::now() + 1s);
    siginfo_t ended{};
    // __WALL: a child of a plain clone has no exit signal, and without this flag it would not be
    // waited for (man 2 wait).
    ::waitid(P_PIDFD, static_cast<id_t>(link.pidfd.get()), &ended, WEXITED | WNOHANG | __WALL);
  } else if (link.pid > 0) {
    end_by_number(link.pid);
  }
  link = {};
}

} // namespace bulkhead::runtime
