#include "actors/host/actor_hub.hpp"
#include "actors/host/actor_process.hpp"
#include "runtime/this_process/own_process.hpp"

namespace bulkhead::actors {

namespace {

constexpr std::chrono::seconds end_patience{2};

} // namespace

// Also those that were given their grace when their actors were let go: what they still say would
// be read with a system that is gone. A forked copy of the host has none.
void actor_hub::end_processes() noexcept {
  if (runtime::own_process::identity() == 0)
    return;
  std::vector<std::shared_ptr<actor_process>> all;
  {
    std::lock_guard lock{mutex_};
    for (const auto& [peer, known] : peers_)
      if (auto process = known.process.lock())
        all.push_back(std::move(process));
  }
  // All are killed before the first is waited for, so that they end side by side.
  for (const auto& process : all)
    process->kill(exit_cause::shutdown);
  if (reactor_->on_thread())
    return;
  const auto deadline = actor_process::clock::now() + end_patience;
  for (const auto& process : all)
    process->wait(deadline);
}

} // namespace bulkhead::actors
