#pragma once

#include "runtime/worker_config.hpp"
#include "runtime/worker_slot.hpp"
#include "runtime/worker_start.hpp"

#include <functional>
#include <memory>
#include <thread>

namespace bulkhead::runtime {

/// What a task worker's process runs; see launch_request::entry.
void task_worker_main(worker_start& start);

/// A worker as a thread of this process; `ended` runs on it at its end. It keeps the slot, whose
/// memory it works in.
std::thread start_worker_thread(const worker_config& config, std::shared_ptr<worker_slot> slot,
                                std::function<void()> ended);

} // namespace bulkhead::runtime
