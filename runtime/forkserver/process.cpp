#include <bulkhead/process.hpp>

#include "runtime/forkserver/launch.hpp"
#include "runtime/forkserver/process_entry.hpp"
#include "runtime/system/unique_fd.hpp"
#include "runtime/this_process/own_process.hpp"

#include <bulkhead/error.hpp>

#include <fcntl.h>

#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <mutex>

namespace bulkhead {

namespace {

using namespace runtime;
using namespace std::chrono_literals;
using std::chrono::steady_clock;

constexpr auto launch_patience = 30s;
constexpr auto burial_patience = 2s; // more only where the kernel does not let it go

std::string default_name() {
  static std::atomic<unsigned> count{0}; // relaxed: only distinct numbers are wanted
  return "process-" + std::to_string(count.fetch_add(1, std::memory_order_relaxed) + 1);
}

unique_fd output_of(output_mode mode) {
  if (mode == output_mode::inherit)
    return unique_fd{};
  if (mode != output_mode::null)
    throw config_error("process: output is inherit or null; prefix and capture are for pools");
  unique_fd null{::open("/dev/null", O_WRONLY | O_CLOEXEC)};
  if (!null)
    throw pool_broken(system_text("open(/dev/null)", errno));
  return null;
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
  std::uint64_t owner = own_process::identity();
  std::shared_ptr<child> running = {};
  std::shared_ptr<ending> end = std::make_shared<ending>();
  pid_t pid = 0;
};

process::process() noexcept = default;
process::process(process&&) noexcept = default;

process::process(callable call, process_options options)
  : control_(new detail::process_control{std::move(call), std::move(options)}) {
  if (control_->options.name.empty())
    control_->options.name = default_name();
}

process& process::operator=(process&& other) noexcept {
  if (this == &other)
    return *this;
  process old{std::move(*this)};
  control_ = std::move(other.control_);
  return *this;
}

process::~process() {
  if (!control_ || !control_->running || !own_process::is(control_->owner))
    return;
  control_->running->kill(SIGKILL);
  control_->end->wait_until(steady_clock::now() + burial_patience);
}

void process::start() {
  own_process::require();
  if (!control_ || control_->pid != 0)
    throw config_error(control_ ? "process: it was started before" : "process: nothing to start");
  const auto& options = control_->options;
  const auto output = output_of(options.output);
  launch_request request;
  request.method = options.start;
  request.entry = &process_entry;
  request.start = process_start(options.name, control_->call);
  request.stdout_fd = request.stderr_fd = output.get();
  request.setup = worker_setup::from(options.limits, options.affinity, options.nice);
  try {
    control_->running = launch(
      request, [end = control_->end](const child_exit& how) { end->set(how); },
      steady_clock::now() + launch_patience);
  } catch (const launch_error& e) {
    throw pool_broken("process " + options.name + " cannot be started: " + e.what());
  }
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

void process::terminate() {
  if (const auto& running = started().running)
    running->kill(SIGTERM);
}

void process::kill() {
  if (const auto& running = started().running)
    running->kill(SIGKILL);
}

void process::close() {
  own_process::require();
  if (is_alive())
    throw config_error("process " + name() + " still runs: join, terminate or kill it first");
  if (control_)
    control_->running.reset();
}

int process::sentinel() const {
  return control_ && control_->running ? control_->running->pidfd() : -1;
}

const std::string& process::name() const {
  static const std::string& none = *new std::string;
  return control_ ? control_->options.name : none;
}

} // namespace bulkhead
