#include "runtime/forkserver/forkserver_main.hpp"

#include "runtime/code/module.hpp"
#include "runtime/forkserver/undertaker.hpp"
#include "runtime/forkserver/worker_exec.hpp"
#include "runtime/forkserver/worker_main.hpp"
#include "runtime/process/launch_message.hpp"
#include "runtime/process/launch_modules.hpp"
#include "runtime/process/start_bytes.hpp"
#include "runtime/standing/standing.hpp"
#include "runtime/system/descriptors.hpp"
#include "runtime/system/launch_error.hpp"
#include "runtime/system/packet_socket.hpp"
#include "runtime/this_process/own_process.hpp"
#include "runtime/this_process/own_threads.hpp"
#include "runtime/this_process/this_process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <stdio_ext.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <deque>
#include <exception>
#include <iostream>
#include <vector>

// The forkserver: one thread that sleeps in ppoll(2) and does one thing after the other: end with
// its host, bury the dead, serve a request, send notices. It has no other thread, so that what it
// forks may go on in C++; user code runs here in a preload only.
namespace bulkhead::runtime {

namespace {

using namespace std::chrono_literals;

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const auto& name : names)
    text += (text.empty() ? "" : ", ") + name;
  return text;
}

struct cannot_follow : launch_error {
  using launch_error::launch_error;
};

class server {
public:
  explicit server(forkserver_birth birth);
  [[noreturn]] void run();
  void answer_hello(std::uint64_t sequence);

private:
  struct request {
    request_head head;
    std::span<const std::byte> body;
    std::vector<unique_fd> fds;
  };

  bool host_is_gone(const pollfd& requests, const pollfd& host) const noexcept;
  void bury_the_dead() noexcept;
  void serve_one();
  void unpack(request& work);
  void launch(request work);
  void preload(request work);
  void note_open_files();
  void answer_launch(std::uint64_t sequence, pid_t pid);
  void answer(const reply_head& reply, std::span<const int> fds = {}) noexcept;
  void refuse(std::uint64_t sequence, int error, std::string_view text) noexcept;
  void queue_exit(pid_t worker, int status, const rusage& usage);
  void send_notices() noexcept;

  const standing::capabilities born_able_ = standing::now().able;
  const confinement born_bounds_ = confinement::now();
  forkserver_birth birth_;
  unique_fd host_;
  unique_fd deaths_; ///< readable: a child has ended
  undertaker undertaker_;
  std::vector<int> foreign_;  ///< numbers that no file of a worker may get
  std::deque<notice> unsent_; ///< at most one a dead worker
  std::vector<std::byte> packet_ = std::vector<std::byte>(packet_bytes);
};

int death_bell = -1; // the number of server::deaths_, for the handler

void ring_death_bell(int) noexcept {
  const auto error = errno;
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto full_is_fine = ::write(death_bell, &one, sizeof one);
  errno = error;
}

// Signals of the terminal and of service managers go to the host as well, which decides.
constexpr std::array host_signals{SIGINT,  SIGTERM, SIGHUP,  SIGQUIT,
                                  SIGPIPE, SIGTSTP, SIGUSR1, SIGUSR2};

void ignore_signals() noexcept {
  for (const int signal : host_signals)
    ::signal(signal, SIG_IGN);
}

// This thread takes signals in its ppoll only. SIGCHLD, so that no other call of it is interrupted:
// by a handler and not a signalfd, because a foreign thread that does not block the signal would
// consume it before the signalfd is read. And those it ignores, because a worker that has just been
// forked does not: what is sent to it before it has reset them waits until then.
void take_signals_asleep() noexcept {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGCHLD);
  for (const int signal : host_signals)
    sigaddset(&set, signal);
  ::sigprocmask(SIG_SETMASK, &set, nullptr);
}

unique_fd open_death_bell() noexcept {
  auto bell = above_stdio(unique_fd{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)});
  death_bell = bell.get();
  struct sigaction action {};
  action.sa_handler = ring_death_bell;
  action.sa_flags = SA_RESTART | SA_NOCLDSTOP;
  ::sigaction(SIGCHLD, &action, nullptr);
  return bell;
}

// Text that static constructors left in stdio's buffers is the host's to print.
void forget_unwritten_output() noexcept {
  __fpurge(stdout);
  __fpurge(stderr);
}

// Once here, so that no worker has to look through the loaded modules.
void learn_modules() {
  try {
    keep_loaded_modules();
  } catch (const std::exception&) {
    // then each worker looks, and tells what is wrong
  }
}

server::server(forkserver_birth birth) : birth_(std::move(birth)), host_(open_pidfd(birth_.host)) {
  ignore_signals();
  take_signals_asleep();
  ::setpgid(0, 0);
  ::prctl(PR_SET_NAME, "bulkhead-fs");
  ::prctl(PR_SET_CHILD_SUBREAPER, 1UL, 0UL, 0UL, 0UL);
  forget_unwritten_output();
  point_at_null(0, O_RDONLY);
  for (const int fd : {1, 2}) // what a worker receives must not land there
    if (::fcntl(fd, F_GETFD) < 0)
      point_at_null(fd, O_WRONLY);
  std::array keep{birth_.request.get(), birth_.notices.get(), host_.get(), this_process::get().exe};
  foreign_ = cover_all_but(keep);
  deaths_ = open_death_bell();
  learn_modules();
}

bool server::host_is_gone(const pollfd& requests, const pollfd& host) const noexcept {
  const auto hung_up = (requests.revents & (POLLHUP | POLLERR | POLLNVAL)) != 0;
  return hung_up || host.revents != 0 || (!host_ && ::getppid() != birth_.host);
}

void server::run() {
  if (::getppid() != birth_.host) // it died before we looked at it
    ::_exit(0);
  sigset_t none;
  sigemptyset(&none);
  for (;;) {
    const auto want_room = static_cast<short>(unsent_.empty() ? 0 : POLLOUT);
    std::array looks{pollfd{birth_.request.get(), POLLIN, 0}, pollfd{host_.get(), POLLIN, 0},
                     pollfd{deaths_.get(), POLLIN, 0}, pollfd{birth_.notices.get(), want_room, 0}};
    // Only here signals are let in: the mask changes together with the sleep (man 2 ppoll), so no
    // death between the look and the sleep is slept over.
    if (::ppoll(looks.data(), looks.size(), nullptr, &none) < 0)
      continue;
    if (host_is_gone(looks[0], looks[1])) {
      undertaker_.bury_all();
      ::_exit(0);
    }
    // The dead before the requests: each of them that is reaped makes room under RLIMIT_NPROC for
    // the launch that follows.
    if (looks[2].revents != 0)
      bury_the_dead();
    if (looks[0].revents != 0)
      serve_one();
    send_notices();
  }
}

void server::bury_the_dead() noexcept {
  std::uint64_t ignored = 0;
  [[maybe_unused]] const auto drained = ::read(deaths_.get(), &ignored, sizeof ignored);
  undertaker_.reap(
    [this](pid_t worker, int status, const rusage& usage) { queue_exit(worker, status, usage); });
}

void server::queue_exit(pid_t worker, int status, const rusage& usage) {
  auto& last = unsent_.emplace_back();
  last.kind = notice_kind::exited;
  last.pid = worker;
  last.status = status;
  last.usage = usage;
}

void server::send_notices() noexcept {
  while (!unsent_.empty()) {
    const auto error = packet_socket::send_now(birth_.notices.get(), bytes_of(unsent_.front()), {});
    // The host reads slowly. The rest waits for POLLOUT; no worker's end is dropped.
    if (error == EAGAIN)
      return;
    // Also after another error: the host's end is closed then, and the next ppoll says so.
    unsent_.pop_front();
  }
}

// The last host's limit, or one that the host had for a while, is its workers' alone: with it, the
// descriptors of the request that brings a wider one would not fit.
void allow_all_descriptors() noexcept {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max)
    return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

void server::serve_one() {
  allow_all_descriptors();
  auto got =
    packet_socket::receive(birth_.request.get(), packet_, std::chrono::steady_clock::now());
  request work;
  if (got.error != 0 || got.bytes < sizeof work.head) {
    if (got.error == EMFILE) // the host waits for an answer to its latest request
      refuse(0, EMFILE, "the forkserver cannot take the descriptors");
    return;
  }
  std::memcpy(&work.head, packet_.data(), sizeof work.head);
  work.body = std::span{packet_}.first(got.bytes).subspan(sizeof work.head);
  work.fds = std::move(got.fds);
  const auto sequence = work.head.sequence;
  try {
    unpack(work);
    if (work.head.kind == request_kind::preload)
      preload(std::move(work));
    else
      launch(std::move(work));
  } catch (const cannot_follow& e) {
    refuse(sequence, outgrown, e.what());
  } catch (const launch_error& e) {
    refuse(sequence, e.code(), e.what());
  } catch (const std::exception& e) {
    refuse(sequence, 0, e.what());
  }
}

// Takes what is for the forkserver out of the request, and becomes what the host is now.
void server::unpack(request& work) {
  const auto& head = work.head;
  const auto fronts = 0U + head.rest_in_memfd + head.has_root + head.has_directory;
  if (work.fds.size() < fronts || work.body.size() < head.standing_bytes)
    throw launch_error{"the request is cut short"};
  const auto first = work.fds.begin() + head.rest_in_memfd;
  place where;
  if (head.has_root != 0)
    where.root = first->get();
  if (head.has_directory != 0)
    where.directory = (first + head.has_root)->get();
  // What it was born with, whatever a preload has done: the host was then as it was.
  if (const auto* changed = born_bounds_.differs_from(head.bounds); changed != nullptr)
    throw cannot_follow{
      std::string{"the host has changed "} + changed + " since the forkserver was made", EPERM};
  auto wanted = standing::decode(work.body.first(head.standing_bytes));
  wanted.restrict_to(born_able_); // an exec may have taken some: a new process may have less
  if (const auto* refused = take_on(wanted, where); refused != nullptr)
    throw cannot_follow{
      std::string{"the forkserver cannot become what the host is now: "} + refused, errno};
  work.body = work.body.subspan(head.standing_bytes);
  work.fds.erase(first, first + head.has_root + head.has_directory);
}

// A forkserver with threads must not fork workers that go on in C++: locks of those threads would
// stay locked in the copy. It execs each worker instead.
void server::launch(request work) {
  const auto sequence = work.head.sequence;
  worker_birth birth{.head = work.head,
                     .body = work.body,
                     .fds = std::move(work.fds),
                     .foreign = foreign_,
                     .notices = birth_.notices.get(),
                     .host = host_.get(),
                     .depth = birth_.depth + 1};
  if (work.head.by_exec != 0 || thread_count() > 1) {
    answer_launch(sequence, exec_worker(birth));
    return;
  }
  const auto pid = ::fork();
  if (pid == 0)
    worker_main(std::move(birth));
  if (pid < 0)
    throw launch_error{"fork", errno};
  answer_launch(sequence, pid);
}

// The pidfd is opened before the child can be reaped: its number is certain.
void server::answer_launch(std::uint64_t sequence, pid_t pid) {
  undertaker_.add(pid);
  const auto pidfd = open_pidfd(pid);
  if (!pidfd) {
    const auto error = errno;
    // The undertaker has it in its books already and reaps it; the host knows no such pid and drops
    // the notice.
    ::kill(pid, SIGKILL);
    throw launch_error{"pidfd_open", error};
  }
  reply_head reply;
  reply.sequence = sequence;
  reply.pid = pid;
  const int fds[] = {pidfd.get()};
  answer(reply, fds);
}

void server::preload(request work) {
  const auto rest = work.head.rest_in_memfd != 0 ? map_rest(work.fds.at(0), work.head) : work.body;
  set_modules(rest.first(work.head.modules_bytes));
  const auto bytes = rest.subspan(work.head.modules_bytes);
  using preload_entry = void (*)(std::span<const std::byte>);
  code_at<preload_entry>(work.head.entry)(bytes);
  // Buffers that are not empty at fork() would be written by the parent and by each child (man 3
  // exit, man 2 fork).
  std::cout.flush(); // what it printed is printed once, and not by each worker again
  std::fflush(nullptr);
  work.fds.clear();
  note_open_files();
  undertaker_.spare_present(); // what it started is not a dead worker's
  if (const auto threads = foreign_threads(); !threads.empty())
    throw launch_error{"preload started threads, and a process with threads cannot be forked "
                       "safely: "
                       + joined(threads) + "; use an initializer instead"};
  reply_head reply;
  reply.sequence = work.head.sequence;
  answer(reply);
}

// What a preload has opened is open here alone.
void server::note_open_files() {
  std::vector<int> own{birth_.request.get(), birth_.notices.get(), host_.get(), deaths_.get(),
                       this_process::get().exe};
  std::ranges::sort(own);
  foreign_ = descriptors_above_stdio();
  std::erase_if(foreign_, [&](int fd) { return std::ranges::binary_search(own, fd); });
}

void server::answer_hello(std::uint64_t sequence) {
  reply_head reply;
  reply.sequence = sequence;
  const auto threads = thread_count();
  reply.threads = static_cast<std::uint32_t>(threads);
  if (threads > 1)
    put_text(reply.text, joined(foreign_threads()));
  answer(reply);
}

void server::refuse(std::uint64_t sequence, int error, std::string_view text) noexcept {
  reply_head reply;
  reply.sequence = sequence;
  reply.error = error == 0 ? EINVAL : error;
  put_text(reply.text, text);
  answer(reply);
}

// The host waits for it, or has given up and will drop it; a worker nobody hears of ends by itself,
// because nobody tells it to go.
void server::answer(const reply_head& reply, std::span<const int> fds) noexcept {
  packet_socket::send_now(birth_.request.get(), bytes_of(reply), fds);
}

[[noreturn]] void not_ours(const char* mark) {
  std::fprintf(stderr,
               "%s is an argument that the bulkhead library gives to processes it makes "
               "by itself; it is of no use on a command line\n",
               mark);
  ::_exit(2);
}

} // namespace

void forkserver_main(forkserver_birth birth) {
  auto& self = this_process::get();
  self.kind = this_process::role::forkserver;
  self.depth = birth.depth;
  own_process::adopt();
  server{std::move(birth)}.run();
}

void forkserver_by_exec(int request) {
  request_head hello;
  const auto deadline = std::chrono::steady_clock::now() + 5s;
  auto got =
    packet_socket::receive(request, std::as_writable_bytes(std::span{&hello, 1}), deadline);
  const auto valid = got.error == 0 && got.bytes == sizeof hello && got.fds.size() == 2
                     && hello.magic == message_magic && hello.kind == request_kind::hello;
  if (!valid)
    not_ours(forkserver_mark);
  auto& self = this_process::get();
  self.kind = this_process::role::forkserver;
  self.depth = hello.depth;
  self.exe = above_stdio(std::move(got.fds[1])).release();
  self.exe_mark = fd_mark{self.exe};
  // It had to survive the exec that made this process, and must not survive the next one.
  ::fcntl(request, F_SETFD, FD_CLOEXEC);
  server made{{.request = unique_fd{request},
               .notices = above_stdio(std::move(got.fds[0])),
               .host = hello.host_pid,
               .depth = hello.depth}};
  made.answer_hello(hello.sequence);
  made.run();
}

} // namespace bulkhead::runtime
