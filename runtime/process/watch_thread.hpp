#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>

namespace bulkhead::runtime {

/// How often a worker beats whose host waits so long for a beat: a few of them may be late.
constexpr std::chrono::nanoseconds beat_interval(std::chrono::nanoseconds unresponsive_after) {
  return std::clamp<std::chrono::nanoseconds>(unresponsive_after / 5, std::chrono::milliseconds{10},
                                              std::chrono::seconds{1});
}

/// Starts the second thread of a worker: small, all signals blocked, no user code. Each `interval`
/// it adds 1 to `*beat`, so that the host can tell a stopped process from a long task; with an
/// `interval` of 0 it sleeps until something happens. It ends the process (exit_hung_up) when the
/// control socket reaches its end, when the descriptor behind its number is no longer that socket,
/// or when the host's pidfd says it ended; if the forkserver is gone too, it first kills what the
/// worker's tasks left running.
///
/// `on_message` runs on it when a packet waits at the control socket, and must read it; empty:
/// packets are read and dropped. `on_turn` runs after each wait; where it says true, the next wait
/// is no longer than 50 ms. The descriptors are borrowed for the life of the process.
/// Throws launch_error.
void start_watch_thread(int control, int host_pidfd, std::atomic<std::uint64_t>* beat,
                        std::chrono::nanoseconds interval,
                        std::function<void(int control)> on_message = {},
                        std::function<bool()> on_turn = {});

} // namespace bulkhead::runtime
