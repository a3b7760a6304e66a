#include "runtime/workers/launcher.hpp"

#include "runtime/code/shipped_call.hpp"
#include "runtime/process/watch_thread.hpp"
#include "runtime/system/descriptors.hpp"
#include "runtime/system/launch_error.hpp"
#include "runtime/system/spin.hpp"
#include "runtime/worker/task_worker.hpp"

#include <system_error>
#include <utility>

// How a worker comes into being, as a process or as a thread. It runs in the launch thread or in
// the user's, without the pool's lock, because a forkserver may let it wait for seconds; so it
// reads nothing but the pool's constants.
namespace bulkhead::runtime {

namespace {

/// What the contract of a pool promises where the system refuses a worker.
class start_refusal final : public std::system_error {
public:
  explicit start_refusal(const launch_error& why)
    : std::system_error(why.code(), std::generic_category()), why_(why) {}
  const char* what() const noexcept override { return why_.what(); }

private:
  launch_error why_;
};

std::shared_ptr<child> launch_one(const launch_request& request, child::exit_handler on_exit) try {
  return launch(request, std::move(on_exit), clock::now() + launch_patience);
} catch (const launch_error& e) {
  throw start_refusal{e};
}

child_exit ended_well() {
  child_exit exit;
  exit.known = exit.started = true;
  return exit;
}

watch_limits limits_of(const pool_options& o) {
  watch_limits l;
  l.grace = o.grace;
  l.unresponsive_after = o.unresponsive_after;
  l.ready_within = o.ready_within;
  l.max_age = o.max_age_per_worker;
  l.max_memory = o.max_memory_per_worker;
  return l;
}

} // namespace

launcher::launcher(const pool_state& pool, std::shared_ptr<line_news> lines)
  : pool_(pool), lines_(std::move(lines)),
    sandbox_(sandbox::pack_policy(pool.options.sandbox, "pool_options::")) {}

void launcher::copy_host() try { server_ = runtime::copy_host(); } catch (const launch_error& e) {
  throw start_refusal{e};
}

slot_ptr launcher::launch(std::uint64_t id, exit_handler ended) {
  auto slot = make_slot(id);
  if (pool_.options.start == start_method::thread)
    launch_thread(slot, std::move(ended));
  else
    launch_process(slot, std::move(ended));
  return slot;
}

slot_ptr launcher::make_slot(std::uint64_t id) const {
  const auto& o = pool_.options;
  const auto kind =
    o.start == start_method::thread ? channel::peer::thread : channel::peer::process;
  return std::make_shared<worker_slot>(id, o.ring_capacity, kind, limits_of(o));
}

worker_config launcher::config_for(const worker_slot& slot) const {
  const auto& o = pool_.options;
  worker_config c;
  c.id = slot.id;
  c.pool_name = o.name;
  c.ring_capacity = o.ring_capacity;
  c.base = slot.link.base();
  c.max_result_bytes = o.queue_bytes;
  c.max_memory = o.max_memory_per_worker;
  c.captured = o.output == output_mode::prefix || o.output == output_mode::capture;
  c.measures = o.measure_growth;
  c.spin = longest_spin(pool_.parallelism, o.max_workers);
  c.beat = beat_interval(o.unresponsive_after);
  if (o.initializer)
    c.initializer = encode_call(o.initializer);
  if (o.finalizer)
    c.finalizer = encode_call(o.finalizer);
  const auto brought = std::make_shared<detail::descriptor_list>();
  add_descriptors(*brought, o.initializer);
  add_descriptors(*brought, o.finalizer);
  c.keys = brought->keys();
  c.brought = brought;
  return c;
}

worker_output::line_handler launcher::lines_of(const worker_slot& slot) const {
  if (!lines_)
    return {};
  return [to = lines_, id = slot.id](std::string_view line) { to->heard(id, line); };
}

void launcher::launch_process(const slot_ptr& slot, exit_handler ended) {
  const auto& o = pool_.options;
  launch_request request;
  request.method = o.start;
  request.entry = &task_worker_main;
  request.name = (o.name.empty() ? "pool" : o.name) + '/' + std::to_string(slot->id);
  const auto config = config_for(*slot);
  request.start = encode_config(config);
  request.fds = slot->link.worker_fds();
  const auto brought = config.brought->fds();
  request.fds.insert(request.fds.end(), brought.begin(), brought.end());
  slot->output = {o.output, o.name, slot->id, pool_.runtime_thread, lines_of(*slot)};
  slot->output.direct(request);
  request.setup = worker_setup::from(o.limits, o.affinity, o.nice);
  request.setup.library_threads = static_cast<std::uint32_t>(o.threads_per_worker);
  request.confine(sandbox_);
  request.server = server_;
  slot->process = launch_one(
    request, [ended = std::move(ended), slot](const child_exit& exit) { ended(slot, exit); });
  // The worker has its own by now. The mappings stay; kept descriptors would only bring
  // RLIMIT_NOFILE nearer with each worker.
  slot->link.close_segment_fds();
  slot->output.launched();
}

void launcher::launch_thread(const slot_ptr& slot, exit_handler ended) {
  const auto end = slot->link.thread_end(slot->inbox, &slot->returns);
  slot->thread = start_worker_thread(config_for(*slot), end,
                                     [ended = std::move(ended), slot, home = pool_.runtime_thread] {
                                       // As with a process, the end is told on the runtime thread,
                                       // so that deaths come one at a time.
                                       home->post([ended, slot] { ended(slot, ended_well()); });
                                     });
}

} // namespace bulkhead::runtime
