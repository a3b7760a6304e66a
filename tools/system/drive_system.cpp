#include "tools/system/drive_system.hpp"

#include "runtime/system/unique_fd.hpp"
#include "tools/system/fault_draw.hpp"
#include "tools/system/running_system.hpp"
#include "tools/system/script_run.hpp"

#include <bulkhead/error.hpp>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <memory>
#include <system_error>
#include <thread>
#include <utility>

#include <poll.h>
#include <sys/eventfd.h>

namespace bulkhead::systems {

namespace {

using namespace std::chrono_literals;

constexpr std::chrono::milliseconds between_looks{200};

/// Until `done` is readable or a signal comes; where there is no `done` (-1), until the system has
/// given up. The signal; 0 where none came.
int wait_for(int done, const interruption& from_outside, const running_system& running) {
  while (done >= 0 || !running.gave_up()) {
    pollfd both[] = {{done, POLLIN, 0}, {from_outside.fd, POLLIN, 0}};
    if (::poll(both, 2, static_cast<int>(between_looks / 1ms)) < 0 && errno != EINTR)
      throw std::system_error(errno, std::generic_category(), "poll");
    if (const int signal = from_outside.signal(); signal != 0)
      return signal;
    if ((both[0].revents & POLLIN) != 0)
      break;
  }
  return 0;
}

/// One run of a plan, from its start to its end.
class generation {
public:
  generation(system_plan plan, const teller& tell)
    : plan_(std::move(plan)), running_(with_faults(plan_), tell) {
    report_.name = plan_.name;
    report_.actors = plan_.actors.size();
    report_.supervisors = plan_.supervisors.size();
    script_ = std::make_unique<script_run>(plan_, running_);
  }
  ~generation() { script_.reset(); } // it speaks to what runs

  const system_plan& plan() const noexcept { return plan_; }
  running_system& running() noexcept { return running_; }

  /// The script in a thread of its own, so that this one hears of signals. What ended it early; 0:
  /// nothing.
  int run_script(const interruption& from_outside) {
    const runtime::unique_fd ended{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    if (!ended)
      throw std::system_error(errno, std::generic_category(), "eventfd");
    std::jthread runner([&] {
      report_.complete = script_->run();
      ::eventfd_write(ended.get(), 1);
    });
    try {
      report_.signal = wait_for(ended.get(), from_outside, running_);
    } catch (...) {
      script_->interrupt();
      throw;
    }
    if (report_.signal != 0)
      script_->interrupt();
    return report_.signal;
  }

  /// What has happened so far.
  system_report report() {
    auto r = report_;
    script_->count_into(r);
    r.restarts = running_.restarts();
    r.gave_up = running_.gave_up();
    return r;
  }

  /// Ends all of it; the whole report.
  system_report finish(int signal) {
    script_->interrupt();
    script_->end_schedule();
    report_.signal = signal;
    auto r = report();
    script_.reset();
    running_.stop();
    return r;
  }

private:
  /// Of the channels of workers that start from now on.
  static const system_plan& with_faults(const system_plan& plan) {
    inject_channel_faults(plan);
    return plan;
  }

  const system_plan plan_;
  running_system running_;
  std::unique_ptr<script_run> script_;
  system_report report_;
};

bool keeps_a_journal(const system_plan& plan) {
  return std::any_of(plan.supervisors.begin(), plan.supervisors.end(),
                     [](const supervisor_plan& s) { return !s.options.journal.empty(); });
}

/// Reads the file again and puts its system in place of the one that runs; where that does not
/// work the old one goes on. A journal is one generation's: its owner ends before the next begins.
/// What ended the new script early; 0: nothing.
int replace(std::unique_ptr<generation>& now, const interruption& from_outside,
            const teller& tell) {
  now->running().tell("SIGHUP: the file is read again");
  auto next = from_outside.reload();
  if (!next || !next->serve) {
    now->running().tell(next ? "the new file serves nobody; the old system goes on"
                             : "the old system goes on");
    return 0;
  }
  const auto before = now->plan();
  if (keeps_a_journal(before))
    now.reset();
  int signal = 0;
  try {
    auto made = std::make_unique<generation>(std::move(*next), tell);
    signal = made->run_script(from_outside);
    if (signal != 0 || made->report().failed == 0) {
      now = std::move(made); // the old one ends here
      tell("the new system serves");
      return signal;
    }
    tell("steps of the new script failed; the old system goes on");
  } catch (const error& e) {
    tell(std::string("the new system did not start; the old one goes on: ") + e.what());
  }
  if (!now)
    now = std::make_unique<generation>(before, tell);
  return signal;
}

} // namespace

system_report drive_system(const system_plan& plan, const interruption& from_outside,
                           const teller& tell) {
  const auto started = std::chrono::steady_clock::now();
  auto now = std::make_unique<generation>(plan, tell);
  int signal = now->run_script(from_outside);
  if (plan.serve && signal == 0)
    now->running().tell("serving until a signal");
  while (plan.serve && signal == 0 && !now->running().gave_up()) {
    signal = wait_for(-1, from_outside, now->running());
    if (signal == SIGHUP && from_outside.reload)
      signal = replace(now, from_outside, tell);
  }
  auto r = now->finish(signal);
  r.elapsed = std::chrono::steady_clock::now() - started;
  return r;
}

} // namespace bulkhead::systems
