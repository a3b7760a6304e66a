#include "runtime/worker/task_worker.hpp"

#include "runtime/channel/segment_inbox.hpp"
#include "runtime/crash/crash_recorder.hpp"
#include "runtime/process/leftover_children.hpp"
#include "runtime/process/watch_thread.hpp"
#include "runtime/system/launch_error.hpp"
#include "runtime/system/masked_thread.hpp"
#include "runtime/system/segment.hpp"
#include "runtime/worker/task_loop.hpp"

#include <sys/prctl.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <memory>
#include <span>
#include <string>
#include <system_error>

namespace bulkhead::runtime {

namespace {

/// The host sees a worker that could not start; why is told to whoever reads its stderr.
void refuse(worker_start& start, const char* why) noexcept {
  std::fprintf(stderr, "bulkhead: a worker cannot start: %s\n", why);
  start.exit_code = 1;
}

/// What ps and top show: "bh:POOL/3", the pool's name cut to what the kernel keeps, 15 bytes.
void show_name(const worker_config& config) noexcept {
  if (config.pool_name.empty())
    return;
  std::array<char, 16> name{};
  const auto number = std::to_string(config.id);
  const auto room = static_cast<int>(11 - std::min<std::size_t>(number.size(), 10));
  std::snprintf(name.data(), name.size(), "bh:%.*s/%s", room, config.pool_name.c_str(),
                number.c_str());
  ::prctl(PR_SET_NAME, name.data());
}

work_sign sign_of(const worker_page& mine) noexcept {
  // Acquire: what is seen of the children afterwards is at least as new.
  return {mine.ans_tail.load(std::memory_order_acquire),
          mine.w_sleep.load(std::memory_order_acquire)};
}

// On the watch thread. True: some of those that have ended may be due soon.
bool reap_leftovers(const worker_page& mine) {
  static auto& leftovers = *new leftover_children;
  const auto before = sign_of(mine);
  const auto dead = ended_children();
  const auto due = leftovers.due(dead, before, sign_of(mine));
  // By number: each is an unreaped child of ours.
  for (const auto pid : due)
    ::waitpid(pid, nullptr, WNOHANG | __WALL);
  return !dead.empty();
}

void serve(worker_start& start) {
  auto config = decode_config(start.start);
  constexpr std::size_t of_channel = 3;
  config.brought =
    std::make_shared<detail::descriptor_list>(take_brought(start, of_channel, config.keys));
  show_name(config);
  // Never destroyed: exit() in a task runs destructors beside the watch thread.
  static const auto& host = *new segment{segment::attach(
    std::move(start.fds.at(0)), page_bytes, config.ring_capacity, segment::access::read_only)};
  static const auto& own = *new segment{segment::attach(
    std::move(start.fds.at(1)), page_bytes, config.ring_capacity, segment::access::read_write)};
  auto* mine = reinterpret_cast<worker_page*>(own.head());
  install_crash_recorder(mine->recorder);
  static auto& inbox = *new segment_inbox;
  // Before the watch thread receives: with no descriptor free it gives this one up to learn what
  // was lost.
  inbox.keep_reserve();
  // After the recorder, whose handler it must find; before the loop, which may wait for its inbox.
  start_watch_thread(
    start.control.get(), start.host.get(), &mine->beat, config.beat,
    [](int control) { inbox.receive(control); }, [mine] { return reap_leftovers(*mine); });
  const worker_port end{reinterpret_cast<const host_page*>(host.head()),
                        mine,
                        host.ring(),
                        own.ring(),
                        config.ring_capacity,
                        start.fds.at(2).get(),
                        &inbox,
                        start.control.get()};
  task_loop loop{config, end, false};
  start.exit_code = loop.run();
}

} // namespace

void task_worker_main(worker_start& start) {
  try {
    serve(start);
  } catch (const launch_error& e) {
    refuse(start, e.what());
  } catch (const std::system_error& e) {
    refuse(start, e.what());
  }
}

std::thread start_worker_thread(const worker_config& config, const worker_port& end,
                                std::function<void()> ended) {
  return masked_thread("bulkhead-w", [config, end, ended = std::move(ended)] {
    task_loop loop{config, end, true};
    loop.run();
    ended();
  });
}

} // namespace bulkhead::runtime
