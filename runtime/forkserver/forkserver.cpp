#include "runtime/forkserver/forkserver.hpp"

#include "runtime/system/descriptors.hpp"
#include "runtime/system/launch_error.hpp"
#include "runtime/system/packet_socket.hpp"
#include "runtime/this_process/own_process.hpp"
#include "runtime/this_process/process_state.hpp"
#include "runtime/this_process/this_process.hpp"

#include <bulkhead/detail/validated.hpp>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <new>
#include <system_error>

// The host's end of a forkserver. Threads that launch come here, one request at a time under
// `asking_`; the runtime thread brings notices under `mutex_`. Every wait has the caller's
// deadline. A forkserver that hangs, lies or dies is killed and replaced at the next launch.
namespace bulkhead::runtime {

namespace {

using namespace std::chrono_literals;
using detail::validated;
using std::chrono::steady_clock;

constexpr auto request_patience = 5s; // a forkserver that needs longer hangs
constexpr auto start_patience = 10s;  // static constructors run in it first

template <class Action>
struct scope_end {
  Action action;
  ~scope_end() { action(); }
};
template <class Action>
scope_end(Action) -> scope_end<Action>;

} // namespace

forkserver::forkserver(forkserver_link link)
  : owner_(own_process::identity()), link_(std::move(link)), request_mark_(link_.request.get()),
    notices_mark_(link_.notices.get()), pidfd_mark_(link_.pidfd.get()) {}

// Its sockets close: it kills what is left of its workers and ends. It is our child only if this is
// the process that made it.
forkserver::~forkserver() {
  if (own_process::is(owner_))
    dismiss_forkserver(link_);
}

std::shared_ptr<forkserver> forkserver::common(time_point deadline) {
  this_process::require_init();
  auto& state = process_state::mine();
  // Two locks: `starting` is held while a forkserver comes up, which may take seconds, `mutex` for
  // the pointer alone, so that nobody who only asks has to wait for the first.
  const std::unique_lock starting{state.starting, deadline};
  if (!starting)
    throw launch_error{"another thread has been starting the forkserver for too long", ETIMEDOUT};
  {
    const std::lock_guard lock{state.mutex};
    if (state.common && state.common->usable() && !state.common->owns_its_descriptors())
      state.common->disown_descriptors();
    if (state.common && state.common->usable())
      return state.common;
  }
  const auto limit = std::min(deadline, steady_clock::now() + start_patience);
  auto fresh = std::make_shared<forkserver>(forkserver_by_exec(limit));
  // A new forkserver is what the old one was: all preloads run in it before anybody forks from it.
  for (const auto& call : state.preloads)
    fresh->run_preload(call, deadline);
  std::shared_ptr<forkserver> old = fresh; // the last one goes without the lock
  const std::lock_guard lock{state.mutex};
  state.common.swap(old);
  return fresh;
}

// A program that closes every descriptor above 2, as daemons do, closes ours too, and the numbers
// are given to its own files.
bool forkserver::owns_its_descriptors() const noexcept {
  return request_mark_.names(link_.request.get()) && notices_mark_.names(link_.notices.get())
         && pidfd_mark_.names(link_.pidfd.get());
}

// What is the program's now must not be closed. The forkserver ends, as its socket has.
void forkserver::disown_descriptors() noexcept {
  usable_ = false;
  if (!request_mark_.names(link_.request.get()))
    static_cast<void>(link_.request.release());
  if (!notices_mark_.names(link_.notices.get()))
    static_cast<void>(link_.notices.release());
  if (!pidfd_mark_.names(link_.pidfd.get()))
    static_cast<void>(link_.pidfd.release());
}

void forkserver::start_early() {
  auto fresh = std::make_shared<forkserver>(forkserver_by_clone());
  auto& state = process_state::mine();
  const std::lock_guard lock{state.mutex};
  state.common = std::move(fresh);
}

std::shared_ptr<forkserver> forkserver::copy_of_host() {
  own_process::require();
  this_process::require_init();
  return std::make_shared<forkserver>(forkserver_copy());
}

void forkserver::preload(preload_call call, time_point deadline) {
  const auto server = common(deadline);
  server->run_preload(call, deadline);
  auto& state = process_state::mine();
  const std::lock_guard starting{state.starting};
  state.preloads.push_back(std::move(call));
}

// A preload that failed half way leaves a forkserver nobody should fork from.
void forkserver::run_preload(const preload_call& call, time_point deadline) {
  auto request = pack(call);
  try {
    ask(request, deadline);
  } catch (const launch_error&) {
    usable_ = false;
    send_signal(link_.pidfd.get(), SIGKILL);
    throw;
  }
}

void forkserver::lost(const std::string& why) {
  usable_ = false;
  send_signal(link_.pidfd.get(), SIGKILL);
  throw launch_error{"the forkserver (pid " + std::to_string(link_.pid) + ") " + why};
}

// Waits no longer than the deadline, and calls the forkserver hung only after its own patience.
forkserver::answer forkserver::await_answer(std::uint64_t sequence, time_point deadline,
                                            time_point patience_ends) {
  answer got;
  const auto until = std::min(deadline, patience_ends);
  for (;;) {
    const auto into = std::as_writable_bytes(std::span{&got.head, 1});
    auto packet = packet_socket::receive(link_.request.get(), into, until);
    if (packet.error == ETIMEDOUT && steady_clock::now() >= patience_ends)
      lost("did not answer for 5 s and was killed");
    if (packet.error == ETIMEDOUT)
      throw launch_error{"the forkserver's answer", ETIMEDOUT};
    if (packet.error == EMFILE)
      throw launch_error{"recvmsg of the pidfd", EMFILE};
    if (packet.error != 0)
      lost("has died");
    if (!validated("reply.size", packet.bytes == sizeof got.head)
        || !validated("reply.magic", got.head.magic == message_magic))
      lost("sent an invalid answer and was killed");
    // Taken before the sequence is looked at: descriptors of an old answer are closed with it.
    got.fds = std::move(packet.fds);
    if (got.head.sequence == sequence || got.head.sequence == 0)
      return got; // older ones belong to callers that have given up
  }
}

forkserver::answer forkserver::ask(launch_packet& request, time_point deadline) {
  const std::unique_lock asking{asking_, deadline};
  if (!asking)
    throw launch_error{"waiting for other launches", ETIMEDOUT};
  if (!usable())
    lost("has died");
  auto& head = request.head;
  const auto is_launch = head.kind == request_kind::launch;
  // A preload runs code of the user's, for which only the caller's deadline counts.
  const auto patience_ends = is_launch ? steady_clock::now() + request_patience : time_point::max();
  head.sequence = ++sequence_;
  const auto error = packet_socket::send(link_.request.get(), bytes_of(head), request.body,
                                         request.fds, std::min(deadline, patience_ends));
  if (error == EPIPE || error == ECONNRESET)
    lost("has died");
  if (error == ETIMEDOUT && steady_clock::now() >= patience_ends)
    lost("does not read its requests and was killed");
  if (error != 0)
    throw launch_error{"sendmsg to the forkserver", error};
  auto got = await_answer(head.sequence, deadline, patience_ends);
  if (got.head.error == outgrown) { // its workers need it; a new one is made for the next
    usable_ = false;
    throw launch_error{std::string{get_text(got.head.text)}};
  }
  if (got.head.error != 0)
    throw launch_error::with_text(std::string{get_text(got.head.text)}, got.head.error);
  return got;
}

std::shared_ptr<child> forkserver::start(const launch_request& work, child::exit_handler on_exit,
                                         time_point deadline) {
  auto request = pack(work);
  try {
    // Notices are watched before the request is sent, and until the child is in the table.
    expect_news();
    const scope_end ended{[this] { launch_ended(); }};
    return adopt(ask(request, deadline), std::move(request.control), work, std::move(on_exit));
  } catch (const std::system_error& e) {
    throw launch_error::with_text(e.what(), e.code().value());
  }
}

// Until tell_go, dropping `control` ends the worker.
std::shared_ptr<child> forkserver::adopt(answer got, unique_fd control, const launch_request& work,
                                         child::exit_handler on_exit) {
  const auto pid = got.head.pid;
  if (!validated("reply.pidfd", got.fds.size() == 1) || !validated("reply.pid", pid > 0))
    lost("sent an invalid answer and was killed");
  auto made = std::make_shared<child>(pid, std::move(got.fds.front()), std::move(control),
                                      work.setup, work.name, work.audit);
  const std::lock_guard lock{mutex_};
  const auto place = children_.insert_or_assign(pid, made).first;
  // What came before the pid was known, before anything can come after it: a worker that dies at
  // once is told as one that had started.
  for (const auto& news : early_)
    if (news.pid == pid)
      made->take(news);
  try {
    made->begin(reactor_, std::move(on_exit),
                [self = shared_from_this(), pid, one = made.get()] { self->forget(pid, one); });
  } catch (...) {
    children_.erase(place);
    throw; // the last one lets go of the control socket
  }
  // The worker has waited for this byte: it runs nothing before the host knows its pid and watches
  // its end.
  made->tell_go();
  process_state::mine().note_child(made);
  return made;
}

} // namespace bulkhead::runtime
