#include "runtime/testing/hooks.hpp"

#if defined(BULKHEAD_HOOKS) && BULKHEAD_HOOKS

#  include <bulkhead/detail/validated.hpp>

#  include <signal.h>
#  include <time.h>
#  include <unistd.h>

#  include <array>
#  include <atomic>
#  include <cstdlib>

namespace bulkhead::testing {

namespace {

constexpr std::array<std::string_view, 11> worker_points{
  "worker.frame_read", "worker.claimed", "worker.checked",     "worker.started",
  "worker.ran",        "worker.written", "worker.published",   "worker.returned",
  "worker.sleeping",   "worker.ready",   "worker.column_grown"};
constexpr std::array<std::string_view, 6> host_points{"host.written",    "host.published",
                                                      "host.drained",    "host.recalled",
                                                      "host.death_seen", "host.buried"};
constexpr std::array<std::string_view, 16> actor_worker_points{
  "actor.worker.hello",      "actor.receive.popped",  "actor.worker.spawn_read",
  "actor.worker.spawn_made", "actor.receive.decoded", "actor.receive.delivered",
  "actor.receive.monitor",   "actor.receive.link",    "actor.receive.down",
  "actor.receive.release",   "actor.worker.ran",      "actor.send.encoded",
  "actor.send.before_push",  "actor.send.after_push", "actor.send.down",
  "actor.worker.sleeping"};
constexpr std::array<std::string_view, 17> actor_host_points{
  "actor.host.launched",   "actor.send.encoded",      "actor.send.before_push",
  "actor.send.after_push", "actor.host.bell",         "actor.receive.popped",
  "actor.receive.decoded", "actor.receive.delivered", "actor.receive.monitor",
  "actor.receive.link",    "actor.receive.down",      "actor.receive.release",
  "actor.host.drained",    "actor.host.death_seen",   "actor.host.link_dead",
  "actor.host.answered",   "actor.host.buried"};

constexpr std::array<std::string_view, 22> ipc_points{
  "ipc.locked",           "ipc.announcing",
  "ipc.turned",           "ipc.woken",
  "ipc.committing",       "ipc.committed",
  "ipc.unlocking",        "ipc.before_sleep",
  "ipc.sleeping",         "ipc.slept",
  "ipc.mutex_locked",     "ipc.mutex_unlocking",
  "ipc.condition_turned", "ipc.condition_sleeping",
  "ipc.condition_slept",  "ipc.barrier_seated",
  "ipc.queue_written",    "ipc.queue_read",
  "ipc.queue_grown",      "ipc.queue_shrinking",
  "ipc.pipe_partly_sent", "worker.parcel_sent"};

constexpr std::array<std::string_view, 1> manager_points{"manager.item_came"};

std::string_view armed_point;
std::atomic<std::uint32_t> countdown{0};
hook_action armed_action = hook_action::none;

void act() noexcept {
  switch (armed_action) {
  case hook_action::none:
    break;
  case hook_action::kill:
    ::kill(::getpid(), SIGKILL);
    break;
  case hook_action::crash:
    ::raise(SIGSEGV);
    break;
  case hook_action::exit:
    ::_exit(0);
  case hook_action::stop:
    ::kill(::getpid(), SIGSTOP);
    break;
  case hook_action::delay: {
    const timespec pause{0, 20'000'000};
    ::nanosleep(&pause, nullptr);
    break;
  }
  }
}

} // namespace

void arm_hook(std::string_view point, std::uint32_t count, hook_action action) {
  for (const auto known : {worker_hooks(), host_hooks(), actor_worker_hooks(), actor_host_hooks(),
                           ipc_hooks(), manager_hooks()})
    for (const auto name : known)
      if (name == point)
        armed_point = name; // static storage
  armed_action = action;
  countdown.store(count, std::memory_order_release);
}

std::span<const std::string_view> worker_hooks() noexcept { return worker_points; }
std::span<const std::string_view> host_hooks() noexcept { return host_points; }
std::span<const std::string_view> actor_worker_hooks() noexcept { return actor_worker_points; }
std::span<const std::string_view> actor_host_hooks() noexcept { return actor_host_points; }
std::span<const std::string_view> ipc_hooks() noexcept { return ipc_points; }
std::span<const std::string_view> manager_hooks() noexcept { return manager_points; }

// acquire: armed_point was written before the countdown. acq_rel: one thread alone acts, after all
// that the others did at this point.
void reach_hook(std::string_view point) noexcept {
  if (countdown.load(std::memory_order_acquire) == 0 || point != armed_point)
    return;
  if (countdown.fetch_sub(1, std::memory_order_acq_rel) == 1)
    act();
}

} // namespace bulkhead::testing

bool bulkhead::detail::is_broken(const char* check) noexcept {
  static const char* const name = std::getenv("BULKHEAD_BREAK");
  return name != nullptr && std::string_view{name} == check;
}

#endif
