#include "runtime/pool/eager_pool.hpp"

#include "runtime/code/shipped_call.hpp"
#include "runtime/pool/run_here.hpp"
#include "runtime/process/isolation_report.hpp"
#include "runtime/this_process/callback_thread.hpp"

#include <bulkhead/error.hpp>

#include <utility>

// A pool without workers: submit() runs the task, so all of it happens in the caller's thread and
// each future is ready when it is returned. The mutex guards the figures alone; user code runs
// without it and may submit again.
namespace bulkhead::runtime {

eager_pool::eager_pool(pool_options options) : options_(std::move(options)) {
  if (options_.initializer)
    run_initializer();
}

void eager_pool::run_initializer() {
  detail::descriptor_list brought;
  add_descriptors(brought, options_.initializer);
  run_call(encode_call(options_.initializer), &brought);
}

bool eager_pool::submit(detail::work&& w, detail::admission) {
  {
    std::lock_guard lock{mutex_};
    if (closed_)
      throw pool_closed("pool '" + options_.name + "' is closed: it takes no more tasks");
    stats_.submitted += w.items;
    w.sink->placed(nullptr, next_task_);
    next_task_ += w.items;
  }
  for_each_item(
    w, [&](std::uint32_t item, std::span<const std::byte> args) { run_item(w, item, args); });
  return true;
}

void eager_pool::run_item(detail::work& w, std::uint32_t item, std::span<const std::byte> args) {
  auto ran = run_attempts(w, args, options_, [this] {
    std::lock_guard lock{mutex_};
    ++stats_.retried;
  });
  {
    std::lock_guard lock{mutex_};
    ++(ran.failed ? stats_.failed : stats_.succeeded);
  }
  if (ran.failed)
    w.sink->on_failure(w.first_item + item, std::move(*ran.failed));
  else
    deliver(*w.sink, w.first_item + item, std::move(ran.result));
}

bool eager_pool::wait(detail::event_latch& latch, detail::time_point deadline) {
  return latch.wait_until(deadline);
}

bool eager_pool::cancel(detail::future_base&, bool) { return false; }
bool eager_pool::cancel_all(const detail::task_sink&, bool) { return false; }

// As on a callback thread: what a callback throws is not its registrar's.
void eager_pool::call_back(std::function<void()> f) {
  try {
    f();
  } catch (...) {
    report_callback_exception();
  }
}

std::size_t eager_pool::chunk_hint(const detail::task_sink&, std::size_t) { return 1; }

bool eager_pool::is_open() {
  std::lock_guard lock{mutex_};
  return !closed_;
}

void eager_pool::close() {
  std::lock_guard lock{mutex_};
  closed_ = true;
}

bool eager_pool::join(detail::time_point) {
  std::lock_guard lock{mutex_};
  if (!closed_)
    throw config_error("join() waits for a pool that takes no more tasks: call close() first");
  return true;
}

void eager_pool::terminate() noexcept {
  std::lock_guard lock{mutex_};
  closed_ = true;
}

void eager_pool::resize(std::size_t) {
  throw config_error("a pool with start_method::eager has no workers to resize");
}

std::vector<worker_info> eager_pool::workers() { return {}; }

pool_stats eager_pool::stats() {
  std::lock_guard lock{mutex_};
  return stats_;
}

std::vector<isolation_feature> eager_pool::isolation() {
  return no_isolation("tasks run in the caller");
}

int eager_pool::completion_fd() {
  throw config_error(
    "a pool with start_method::eager completes in submit; there is nothing to poll");
}

std::vector<std::uint64_t> eager_pool::completions() { return {}; }

int eager_pool::room_fd() {
  throw config_error("a pool with start_method::eager has no queue: there is always room");
}

std::vector<task_growth> eager_pool::growth() {
  throw config_error("a pool with start_method::eager has no workers that could grow");
}

void eager_pool::look_on(std::shared_ptr<detail::onlooker>) {
  throw config_error("a pool with start_method::eager runs its tasks in the caller: there is "
                     "nothing to look at; use another start method");
}

} // namespace bulkhead::runtime
