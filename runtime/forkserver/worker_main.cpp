#include "runtime/forkserver/worker_main.hpp"

#include "runtime/code/module.hpp"
#include "runtime/forkserver/library_threads.hpp"
#include "runtime/forkserver/worker_exec.hpp"
#include "runtime/process/launch_modules.hpp"
#include "runtime/process/start_bytes.hpp"
#include "runtime/process/worker_start.hpp"
#include "runtime/sandbox/close_sandbox.hpp"
#include "runtime/system/descriptors.hpp"
#include "runtime/system/launch_error.hpp"
#include "runtime/system/packet_socket.hpp"
#include "runtime/system/proc_stat.hpp"
#include "runtime/this_process/own_process.hpp"
#include "runtime/this_process/this_process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <iterator>
#include <string>

// From fork or exec to the entry of a worker. Order matters: signals and descriptors first, then
// the code of the host's modules, then limits, then the sandbox, then the word to the host that it
// is ready, then its "go". Whatever fails before is told by a notice and ends the process.
namespace bulkhead::runtime {

namespace {

// The host's runtime thread reads notices at once; one that is stopped must not stop us for long.
void send_notice(int notices, const notice& news) noexcept {
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds{2};
  packet_socket::send(notices, bytes_of(news), {}, {}, limit);
}

[[noreturn]] void start_failed(int notices, int error, std::string_view text) noexcept {
  notice failed;
  failed.kind = notice_kind::start_failed;
  failed.pid = ::getpid();
  failed.status = error;
  put_text(failed.text, text);
  send_notice(notices, failed);
  ::_exit(exit_start_failed);
}

// The descriptors of a launch, in the order of request_head.
struct inherited {
  unique_fd control;
  unique_fd standard_output;
  unique_fd standard_error;
  unique_fd start_file;
  std::vector<unique_fd> users;
};

inherited sort_out(worker_birth& birth) {
  const auto& head = birth.head;
  const auto expected = 1U + head.has_stdout + head.has_stderr + head.rest_in_memfd;
  if (birth.fds.size() < expected)
    throw launch_error{"the launch request lacks descriptors"};
  auto next = birth.fds.begin();
  inherited sorted;
  if (head.rest_in_memfd != 0)
    sorted.start_file = std::move(*next++);
  sorted.control = std::move(*next++);
  if (head.has_stdout != 0)
    sorted.standard_output = std::move(*next++);
  if (head.has_stderr != 0)
    sorted.standard_error = std::move(*next++);
  sorted.users.assign(std::move_iterator{next}, std::move_iterator{birth.fds.end()});
  return sorted;
}

void connect_standard(const unique_fd& from, int to) {
  if (from && ::dup2(from.get(), to) < 0)
    throw launch_error{"dup2", errno};
}

// A worker that may have few files open needs the low numbers itself.
bool may_stay(int fd, const worker_setup& setup) noexcept {
  return setup.open_files == worker_setup::inherited
         || static_cast<std::uint64_t>(fd) < setup.open_files / 4;
}

void close_others(const worker_birth& birth, const inherited& kept) {
  std::vector<int> keep{birth.notices, birth.host, this_process::get().exe, kept.control.get(),
                        kept.start_file.get()};
  for (const auto& fd : kept.users)
    keep.push_back(fd.get());
  std::vector<int> covered;
  // A forked worker knows from the forkserver which numbers are foreign; an exec'ed one has to
  // look, since constructors of the program may have opened files.
  if (birth.executed) {
    covered = cover_all_but(keep);
  } else {
    covered.assign(birth.foreign.begin(), birth.foreign.end());
    cover(covered);
  }
  for (const int fd : covered)
    if (may_stay(fd, birth.head.setup))
      keep.push_back(fd);
  close_all_but(keep);
}

std::string explain(const setup_failure& failed) {
  return system_text(std::string{failed.call} + " to " + std::to_string(failed.value),
                     failed.error);
}

// The host has the worker's pid and pidfd when it says "go". A host that gave this launch up, or
// is gone, closes its end instead.
bool wait_for_go(int control, int host) noexcept {
  std::array looks{pollfd{control, POLLIN, 0}, pollfd{host, POLLIN, 0}};
  while (::poll(looks.data(), looks.size(), -1) < 0)
    continue;
  char go = 0;
  return looks[1].revents == 0 && ::read(control, &go, 1) == 1;
}

void announce(int notices, const setup_report& report, int listener) noexcept {
  notice ready;
  ready.status = listener;
  ready.kind = notice_kind::ready;
  ready.pid = ::getpid();
  ready.report = report;
  // By write: a sandbox that is closed by now has no other call for it. Nobody waits behind a host
  // that is gone, or that does not read.
  std::array looks{pollfd{notices, POLLOUT, 0}};
  while (::write(notices, &ready, sizeof ready) < 0 && (errno == EAGAIN || errno == EINTR))
    ::poll(looks.data(), looks.size(), 2000);
}

// After it, the process can open nothing that it needs: the code of tasks is loaded before.
void confine(const worker_birth& birth, const sandbox::sandbox_plan& plan, setup_report& report) {
  load_known_modules();
  keep_own_figures();
  if (plan.asked != 0)
    keep_loaded_modules(); // the sandbox lets nobody look for them any more, nor load others
  if (plan.audit)
    return;
  const auto errors = sandbox::close_sandbox(plan);
  for (std::size_t i = 0; i < sandbox::features; ++i) {
    const auto which = static_cast<sandbox::feature>(i);
    if ((plan.asked & sandbox::bit_of(which)) == 0)
      continue;
    report.note(setup_step::sandbox, errors[i], i);
    if (errors[i] != 0 && plan.require)
      start_failed(
        birth.notices, errors[i],
        system_text("the sandbox lacks " + std::string{sandbox::name_of(which)}, errors[i]));
  }
}

// What a program built for coverage links: its counters are written by destructors that do not run.
extern "C" void __gcov_dump() __attribute__((weak)); // NOLINT(bugprone-reserved-identifier): gcc's

void write_what_is_left() noexcept {
  for (auto* stream : {&std::cout, &std::clog}) // have buffers of their own without sync_with_stdio
    stream->flush();
  std::wcout.flush();
  std::wclog.flush();
  std::fflush(nullptr);
  if (__gcov_dump != nullptr)
    __gcov_dump();
}

// exit() in a task: the destructors of the program's static objects are the host's to run. What was
// registered since the start has run before this.
[[noreturn]] void end_worker(int code, void*) noexcept {
  write_what_is_left();
  ::_exit(code);
}

struct prepared {
  worker_entry entry;
  worker_start start;
  unique_fd listener; ///< of an audit, until the host has it, too
};

prepared prepare(worker_birth& birth) {
  setup_report report;
  reset_signals();
  report.note(setup_step::signals, 0);
  point_at_null(0, O_RDONLY);
  report.note(setup_step::stdin_null, 0);
  auto kept = sort_out(birth);
  connect_standard(kept.standard_output, 1);
  connect_standard(kept.standard_error, 2);
  // Whole lines, at once: what a task printed before its crash must not stay in a buffer.
  // With a buffer of its own: on the old one libc goes on as before if the stream was used.
  static char line[BUFSIZ];
  std::setvbuf(stdout, line, _IOLBF, sizeof line);
  close_others(birth, kept);
  report.note(setup_step::descriptors, 0);

  const auto& head = birth.head;
  prepared made{};
  // Before code that may come with such libraries is loaded; again behind the sandbox, which may
  // have cleared the environment.
  const auto limit_threads = [&] {
    if (head.setup.library_threads != 0)
      limit_library_threads(head.setup.library_threads);
  };
  limit_threads();
  const auto rest = head.rest_in_memfd != 0 ? map_rest(kept.start_file, head) : birth.body;
  set_modules(rest.first(head.modules_bytes));
  made.entry = code_at<worker_entry>(head.entry);
  made.start.start = rest.subspan(std::size_t{head.modules_bytes} + head.plan_bytes);
  // Behind the mapping of the start bytes and the loading of code: a limit of memory or files might
  // forbid both.
  if (const auto failed = apply(head.setup, report); failed.call != nullptr)
    start_failed(birth.notices, failed.error, explain(failed));
  sandbox::sandbox_plan plan;
  if (head.plan_bytes != 0) {
    plan = sandbox::decode_plan(rest.subspan(head.modules_bytes, head.plan_bytes));
    confine(birth, plan, report);
  }
  limit_threads();
  if (plan.audit) // last: the host answers nothing before it has heard of it
    made.listener.reset(sandbox::open_audit(plan));
  announce(birth.notices, report, made.listener.get());
  ::close(birth.notices);
  made.start.fds = std::move(kept.users);
  made.start.control = std::move(kept.control);
  made.start.host = unique_fd{birth.host};
  return made;
}

void become_worker(const worker_birth& birth) {
  own_process::adopt();
  ::prctl(PR_SET_NAME, "bulkhead-w");
  auto& self = this_process::get();
  self.kind = this_process::role::worker;
  self.depth = birth.depth;
  self.title = get_text(birth.head.name);
  self.host_title = get_text(birth.head.host_name);
  self.host_pid = birth.head.host_pid;
  self.host = birth.host;
}

} // namespace

// In a fork, the objects of the forkserver are still on the stack below and are never destroyed.
void worker_main(worker_birth birth) noexcept {
  prepared made{};
  try {
    become_worker(birth);
    made = prepare(birth);
  } catch (const launch_error& e) {
    start_failed(birth.notices, e.code(), e.what());
  } catch (const std::exception& e) {
    start_failed(birth.notices, 0, e.what());
  }
  if (!wait_for_go(made.start.control.get(), made.start.host.get()))
    ::_exit(exit_hung_up);
  // The host alone is to hold it: calls of a worker whose host is gone must not wait.
  made.listener.reset();
  // Registered first of all that the task's code registers, so it runs last (man 3 on_exit).
  ::on_exit(&end_worker, nullptr);
  made.entry(made.start);
  end_worker(made.start.exit_code, nullptr);
}

void worker_by_exec(int socket) {
  static std::vector<std::byte> packet; // the start bytes live here as long as the process
  worker_birth birth;
  if (!receive_birth(socket, packet, birth)) {
    std::fprintf(stderr,
                 "%s is an argument that the bulkhead library gives to processes it makes "
                 "by itself; it is of no use on a command line\n",
                 worker_mark);
    ::_exit(2);
  }
  ::close(socket);
  worker_main(std::move(birth));
}

} // namespace bulkhead::runtime
