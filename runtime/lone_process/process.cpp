#include <bulkhead/process.hpp>

#include "runtime/code/shipped_call.hpp"
#include "runtime/crash/crash_words.hpp"
#include "runtime/forkserver/launch.hpp"
#include "runtime/lone_process/process_entry.hpp"
#include "runtime/lone_process/process_outcome.hpp"
#include "runtime/process/exit_classifier.hpp"
#include "runtime/process/launch_output.hpp"
#include "runtime/system/descriptors.hpp"
#include "runtime/system/packet_socket.hpp"
#include "runtime/system/segment.hpp"
#include "runtime/system/unique_fd.hpp"
#include "runtime/this_process/own_process.hpp"

#include <bulkhead/detail/type_name.hpp>
#include <bulkhead/error.hpp>

#include <sys/mman.h>

#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <mutex>
#include <string>
#include <system_error>
#include <typeinfo>

// A process without a pool. Users' threads call it, its end is told on the runtime thread to
// `ending`, which both share: the process object may be gone by then. What came of it is made once,
// from the page and the file that it left, after its end.
namespace bulkhead {

namespace {

using namespace runtime;
using namespace std::chrono_literals;
using std::chrono::steady_clock;

constexpr auto start_patience = 30s;
constexpr auto burial_patience = 2s; // more only where the kernel does not let it go

unsigned next_number() {
  static std::atomic<unsigned> count{0}; // relaxed: only distinct numbers are wanted
  return count.fetch_add(1, std::memory_order_relaxed) + 1;
}

unique_fd make_result_file() {
  auto file = above_stdio(unique_fd{::memfd_create("bulkhead-result", MFD_CLOEXEC)});
  if (!file)
    throw std::system_error(errno, std::generic_category(), "memfd_create");
  return file;
}

} // namespace

struct detail::process_control {
  /// Shared with the exit handler, which outlives a process object that gave up waiting.
  struct ending {
    std::mutex mutex;
    std::condition_variable changed;
    std::optional<child_exit> exit;

    void set(const child_exit& how) {
      {
        const std::lock_guard lock{mutex};
        exit = how;
      }
      changed.notify_all();
    }

    bool wait_until(steady_clock::time_point until) {
      std::unique_lock lock{mutex};
      const auto done = [&] { return exit.has_value(); };
      if (until == steady_clock::time_point::max())
        changed.wait(lock, done);
      else
        changed.wait_until(lock, until, done);
      return exit.has_value();
    }

    std::optional<child_exit> look() {
      const std::lock_guard lock{mutex};
      return exit;
    }
  };

  callable call;
  process_options options;
  const std::type_info& result;
  unsigned number = next_number();
  std::uint64_t owner = own_process::identity();
  segment page = {};
  unique_fd file = {};
  launch_output output = {};
  std::mutex outcome_mutex = {};
  std::optional<process_outcome> outcome = {}; ///< guarded by outcome_mutex; once, after the end
  std::shared_ptr<child> running = {};
  std::shared_ptr<ending> end = std::make_shared<ending>();
  pid_t pid = 0;
  std::atomic<bool> killed = false; ///< by the host: relaxed, the end itself comes later

  void prepare(launch_request& request);
  /// None while it runs. Whom the host killed before it was ready has not failed to start.
  std::optional<child_exit> how_it_ended() const;
  const process_outcome& how_it_went();
};

/// What it is to leave its end and its output in.
void detail::process_control::prepare(launch_request& request) {
  page = segment::make("bulkhead-process", process_page_bytes, 0, segment::access::read_only);
  file = make_result_file();
  request.fds = {page.fd(), file.get()};
  output = {options.output, options.name, number, reactor::acquire()};
  output.direct(request);
}

std::optional<child_exit> detail::process_control::how_it_ended() const {
  auto exit = end->look();
  // Relaxed: set before the signal was sent, whose effect was seen here.
  if (exit && exit->signal == SIGKILL && killed.load(std::memory_order_relaxed))
    exit->started = true;
  return exit;
}

// Only after its end.
const process_outcome& detail::process_control::how_it_went() {
  const std::lock_guard lock{outcome_mutex};
  if (!outcome) {
    const ended_process ended{options.name, pid, how_it_ended().value_or(child_exit{}),
                              output.tail(failure_tail), result == typeid(void)};
    outcome = outcome_of(ended, *reinterpret_cast<const process_page*>(page.head()), file.get());
  }
  return *outcome;
}

process::process() noexcept = default;
process::process(process&&) noexcept = default;

process::process(callable call, process_options options, const std::type_info& result)
  : control_(new detail::process_control{std::move(call), std::move(options), result}) {
  if (control_->options.name.empty())
    control_->options.name = "process-" + std::to_string(control_->number);
}

process& process::operator=(process&& other) noexcept {
  if (this == &other)
    return *this;
  // Destroyed at the end, when this object has its new process: the destructor waits for one that
  // is no daemon.
  process old{std::move(*this)};
  control_ = std::move(other.control_);
  return *this;
}

// In a copy made by fork() nothing is there but memory: it is left alone.
process::~process() {
  if (control_ && !own_process::is(control_->owner))
    static_cast<void>(control_.release());
  if (!control_ || !control_->running)
    return;
  if (!control_->options.daemon)
    control_->end->wait_until(steady_clock::time_point::max());
  control_->running->kill(SIGKILL);
  control_->end->wait_until(steady_clock::now() + burial_patience);
}

void process::start() {
  own_process::require();
  if (!control_ || control_->pid != 0)
    throw config_error(control_ ? "process: it was started before" : "process: nothing to start");
  const auto& options = control_->options;
  launch_request request;
  request.method = options.start;
  request.entry = &process_entry;
  detail::descriptor_list brought;
  add_descriptors(brought, control_->call);
  request.name = options.name;
  request.setup = worker_setup::from(options.limits, options.affinity, options.nice);
  // All options are checked before anything is made.
  request.confine(sandbox::pack_policy(options.sandbox, "process_options::"));
  request.start = process_start(options.name, control_->number, control_->call);
  try {
    control_->prepare(request);
    const auto fds = brought.fds();
    request.fds.insert(request.fds.end(), fds.begin(), fds.end());
    control_->running = launch(
      request, [end = control_->end](const child_exit& how) { end->set(how); },
      steady_clock::now() + start_patience);
  } catch (const launch_error& e) {
    throw pool_broken("process " + options.name + " cannot be started: " + e.what());
  } catch (const std::system_error& e) {
    throw pool_broken("process " + options.name + " cannot be started: " + e.what());
  }
  control_->output.launched();
  control_->page.close_fd();
  control_->call = {}; // the descriptors among its arguments are the child's alone now
  // Last: the other calls take a pid for the sign that it was started.
  control_->pid = control_->running->pid();
}

detail::process_control& process::started() const {
  own_process::require();
  if (!control_ || control_->pid == 0)
    throw config_error("process: it was not started");
  return *control_;
}

void process::join() { started().end->wait_until(steady_clock::time_point::max()); }

bool process::join_for(std::chrono::nanoseconds timeout) {
  return started().end->wait_until(detail::deadline_after(timeout));
}

bool process::is_alive() const {
  own_process::require();
  return control_ && control_->pid != 0 && !control_->end->look();
}

pid_t process::pid() const { return control_ ? control_->pid : 0; }

std::optional<int> process::exit_code() const {
  own_process::require();
  const auto exit = control_ ? control_->end->look() : std::nullopt;
  if (!exit)
    return {};
  if (!exit->known)
    return 255;
  return exit->signal != 0 ? -exit->signal : exit->code;
}

exit_status process::status() const {
  own_process::require();
  const auto exit = control_ ? control_->how_it_ended() : std::nullopt;
  return exit ? classify_exit(*exit, exit_cause::none, exit->started) : exit_status{};
}

std::span<const std::byte> process::value_of(const std::type_info& type) {
  auto& mine = started();
  if (type != typeid(void) && type != mine.result)
    throw config_error("process " + name() + ": get<" + detail::type_name(type)
                       + "> of a function that returns " + detail::type_name(mine.result));
  join();
  const auto& went = mine.how_it_went();
  if (went.why)
    throw_failure(*went.why);
  return went.value;
}

std::optional<failure> process::failure() {
  auto& mine = started();
  join();
  return mine.how_it_went().why;
}

std::string process::last_output() {
  auto& mine = started();
  return mine.output.tail(line_tail::kept_bytes);
}

// Its watch thread reads the packet; where the socket is full, it was asked before.
void process::interrupt() {
  if (const auto& running = started().running)
    packet_socket::send_now(running->control(), std::span{&interrupt_packet, 1}, {});
}

void process::terminate() {
  if (const auto& running = started().running)
    running->kill(SIGTERM);
}

void process::kill() {
  auto& mine = started();
  mine.killed.store(true, std::memory_order_relaxed); // see there
  if (mine.running)
    mine.running->kill(SIGKILL);
}

void process::close() {
  own_process::require();
  if (is_alive())
    throw config_error("process " + name() + " still runs: join, terminate or kill it first");
  if (!control_ || control_->pid == 0)
    return;
  control_->how_it_went();
  control_->running.reset();
  control_->output = {};
  control_->file.reset();
  control_->page = {};
}

int process::sentinel() const {
  return control_ && control_->running ? control_->running->pidfd() : -1;
}

const std::string& process::name() const {
  static const std::string& none = *new std::string;
  return control_ ? control_->options.name : none;
}

} // namespace bulkhead
