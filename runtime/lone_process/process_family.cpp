#include <bulkhead/process_family.hpp>

#include "runtime/process/child.hpp"
#include "runtime/system/deadline.hpp"
#include "runtime/system/descriptors.hpp"
#include "runtime/this_process/process_state.hpp"
#include "runtime/this_process/this_process.hpp"

#include <poll.h>
#include <unistd.h>

#include <cerrno>

namespace bulkhead {

using namespace runtime;

process_info current_process() { return {this_process::get().title, ::getpid()}; }

std::vector<process_info> active_children() {
  std::vector<std::weak_ptr<child>> noted;
  {
    auto& state = process_state::mine();
    const std::lock_guard lock{state.mutex};
    noted = state.children;
  }
  std::vector<process_info> active;
  for (const auto& each : noted)
    if (const auto living = each.lock(); living && !has_ended(living->pidfd()))
      active.push_back({living->name(), living->pid()});
  return active;
}

std::optional<parent> parent_process() {
  const auto& self = this_process::get();
  if (self.host < 0)
    return {};
  return parent{{self.host_title, self.host_pid}, self.host};
}

bool parent::is_alive() const noexcept { return !has_ended(sentinel_); }

void parent::join() const noexcept { join_until(std::chrono::steady_clock::time_point::max()); }

bool parent::join_until(std::chrono::steady_clock::time_point until) const noexcept {
  return wait_for(sentinel_, POLLIN, until) == 0;
}

} // namespace bulkhead
