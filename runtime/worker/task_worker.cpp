#include "runtime/worker/task_worker.hpp"

#include "runtime/channel/segment_inbox.hpp"
#include "runtime/crash/crash_recorder.hpp"
#include "runtime/process/watch_thread.hpp"
#include "runtime/system/launch_error.hpp"
#include "runtime/system/masked_thread.hpp"
#include "runtime/system/segment.hpp"
#include "runtime/worker/task_loop.hpp"

#include <cstdio>
#include <system_error>

namespace bulkhead::runtime {

namespace {

/// The host sees a worker that could not start; why is told to whoever reads its stderr.
void refuse(worker_start& start, const char* why) noexcept {
  std::fprintf(stderr, "bulkhead: a worker cannot start: %s\n", why);
  start.exit_code = 1;
}

void serve(worker_start& start) {
  const auto config = decode_config(start.start);
  // Both segments live as long as the process.
  static const auto host = segment::attach(std::move(start.fds.at(0)), page_bytes,
                                           config.ring_capacity, segment::access::read_only);
  static const auto own = segment::attach(std::move(start.fds.at(1)), page_bytes,
                                          config.ring_capacity, segment::access::read_write);
  auto* mine = reinterpret_cast<worker_page*>(own.head());
  install_crash_recorder(mine->recorder);
  static segment_inbox inbox;
  inbox.keep_reserve();
  start_watch_thread(start.control.get(), start.host.get(), &mine->beat, config.beat,
                     [](int control) { inbox.receive(control); });
  const worker_port end{reinterpret_cast<const host_page*>(host.head()),
                        mine,
                        host.ring(),
                        own.ring(),
                        config.ring_capacity,
                        start.fds.at(2).get(),
                        &inbox};
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
