#include "runtime/forkserver/worker_main.hpp"

#include "runtime/forkserver/worker_exec.hpp"
#include "runtime/process/launch_modules.hpp"
#include "runtime/process/start_bytes.hpp"
#include "runtime/process/worker_start.hpp"
#include "runtime/system/descriptors.hpp"
#include "runtime/system/launch_error.hpp"
#include "runtime/system/packet_socket.hpp"
#include "runtime/this_process/own_process.hpp"
#include "runtime/this_process/this_process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <exception>
#include <iostream>
#include <iterator>
#include <string>

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

void close_others(const worker_birth& birth, const inherited& kept) {
  std::vector<int> keep{birth.notices, birth.host, this_process::get().exe, kept.control.get(),
                        kept.start_file.get()};
  for (const auto& fd : kept.users)
    keep.push_back(fd.get());
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

void announce(int notices, const setup_report& report) noexcept {
  notice ready;
  ready.kind = notice_kind::ready;
  ready.pid = ::getpid();
  ready.report = report;
  send_notice(notices, ready);
}

struct prepared {
  worker_entry entry;
  worker_start start;
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
  const auto rest = head.rest_in_memfd != 0 ? map_rest(kept.start_file, head) : birth.body;
  set_modules(rest.first(head.modules_bytes));
  made.entry = code_at<worker_entry>(head.entry);
  made.start.start = rest.subspan(head.modules_bytes);
  if (const auto failed = apply(head.setup, report); failed.call != nullptr)
    start_failed(birth.notices, failed.error, explain(failed));
  announce(birth.notices, report);
  ::close(birth.notices);
  made.start.fds = std::move(kept.users);
  made.start.control = std::move(kept.control);
  made.start.host = unique_fd{birth.host};
  return made;
}

void become_worker(unsigned depth) noexcept {
  own_process::adopt();
  ::prctl(PR_SET_NAME, "bulkhead-w");
  auto& self = this_process::get();
  self.kind = this_process::role::worker;
  self.depth = depth;
}

} // namespace

// In a fork, the objects of the forkserver are still on the stack below and are never destroyed.
void worker_main(worker_birth birth) noexcept {
  become_worker(birth.depth);
  prepared made{};
  try {
    made = prepare(birth);
  } catch (const launch_error& e) {
    start_failed(birth.notices, e.code(), e.what());
  } catch (const std::exception& e) {
    start_failed(birth.notices, 0, e.what());
  }
  if (!wait_for_go(made.start.control.get(), made.start.host.get()))
    ::_exit(exit_hung_up);
  made.entry(made.start);
  for (auto* stream : {&std::cout, &std::clog}) // have buffers of their own without sync_with_stdio
    stream->flush();
  std::wcout.flush();
  std::wclog.flush();
  std::fflush(nullptr);
  ::_exit(made.start.exit_code);
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
