#pragma once

#include "runtime/channel/worker_port.hpp"
#include "runtime/process/worker_start.hpp"
#include "runtime/worker/worker_config.hpp"

#include <functional>
#include <thread>

namespace bulkhead::runtime {

/// What a task worker's process runs; see launch_request::entry.
void task_worker_main(worker_start& start);

/// A worker as a thread of this process; `ended` runs on it at its end and keeps alive whatever
/// `end` points to. Throws std::system_error where no thread can be made; the caller's signal mask
/// is what it was.
std::thread start_worker_thread(const worker_config& config, const worker_port& end,
                                std::function<void()> ended);

} // namespace bulkhead::runtime
