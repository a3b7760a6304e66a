#pragma once

#include <cstdint>
#include <span>
#include <string_view>

/// Fault injection at named points of the protocols, of tasks and of actors. Only in builds with
/// BULKHEAD_HOOKS.
namespace bulkhead::testing {

/// What happens when an armed point is reached.
enum class hook_action : std::uint8_t {
  none,
  kill,  ///< SIGKILL to this process
  crash, ///< SIGSEGV
  exit,  ///< _exit(0)
  stop,  ///< SIGSTOP
  delay, ///< 20 ms
};

/// Arms one point of this process; its `count`-th passage from now triggers the action once.
/// Call it in the process concerned: for a worker in a task or the initializer. Not thread-safe.
void arm_hook(std::string_view point, std::uint32_t count, hook_action action);

/// All points, in protocol order: of the task channel and of the actors' link, worker and host.
/// Both ends of a link send and receive with the same code, so those names are in both lists.
std::span<const std::string_view> worker_hooks() noexcept;
std::span<const std::string_view> host_hooks() noexcept;
std::span<const std::string_view> actor_worker_hooks() noexcept;
std::span<const std::string_view> actor_host_hooks() noexcept;
/// Of what lies in shared memory and of pipes, in any process.
std::span<const std::string_view> ipc_hooks() noexcept;
/// Of the clients of a manager.
std::span<const std::string_view> manager_hooks() noexcept;

/// For the library: passes a point.
void reach_hook(std::string_view point) noexcept;

} // namespace bulkhead::testing
