#pragma once

#include "runtime/forkserver/launch.hpp"
#include "runtime/sandbox/compile_policy.hpp"
#include "runtime/this_process/line_news.hpp"
#include "runtime/worker/worker_config.hpp"
#include "runtime/workers/pool_state.hpp"

#include <cstdint>
#include <functional>
#include <memory>

namespace bulkhead::runtime {

/// Makes workers: their channel, their output, their process or thread. Needs no lock.
class launcher {
public:
  /// `lines` hears what workers print; null: nobody does. Throws config_error for a sandbox policy
  /// that cannot be.
  launcher(const pool_state& pool, std::shared_ptr<line_news> lines);

  /// For start_method::fork: the copy of the host that its workers are copies of. Throws
  /// std::system_error.
  void copy_host();

  /// A worker that has been launched. `ended` is called once, on the runtime thread, when it has
  /// ended, which may be before this returns. Throws std::system_error where the system refuses.
  slot_ptr launch(std::uint64_t id, std::function<void(const slot_ptr&, const child_exit&)> ended);

private:
  using exit_handler = std::function<void(const slot_ptr&, const child_exit&)>;

  slot_ptr make_slot(std::uint64_t id) const;
  worker_config config_for(const worker_slot& slot) const;
  worker_output::line_handler lines_of(const worker_slot& slot) const;
  void launch_process(const slot_ptr& slot, exit_handler ended);
  void launch_thread(const slot_ptr& slot, exit_handler ended);

  const pool_state& pool_;
  const std::shared_ptr<line_news> lines_;
  const sandbox::packed_plan sandbox_; ///< of every worker
  std::shared_ptr<forkserver> server_; ///< start_method::fork only
};

} // namespace bulkhead::runtime
