#include "runtime/pool/eager_pool.hpp"

#include "runtime/code/shipped_call.hpp"
#include "runtime/dispatch/retry_rule.hpp"
#include "runtime/outcome/failure_wire.hpp"
#include "runtime/process/isolation_report.hpp"
#include "runtime/this_process/callback_thread.hpp"

#include <bulkhead/error.hpp>

#include <cstring>
#include <thread>

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
  auto rest = w.body.bytes().subspan(w.callable_bytes);
  for (std::uint32_t i = 0; i < w.items; ++i) {
    auto length = w.item_bytes;
    if (length == detail::varying_bytes) {
      std::memcpy(&length, rest.data(), sizeof length);
      rest = rest.subspan(sizeof length);
    }
    run_item(w, i, rest.first(length));
    rest = rest.subspan(length);
  }
  return true;
}

void eager_pool::run_item(detail::work& w, std::uint32_t item, std::span<const std::byte> args) {
  detail::buffer result;
  auto failed = run_once(w, args, result);
  const auto most = w.options ? w.options->retries.value_or(options_.retries) : options_.retries;
  const auto& policy = w.options && w.options->retry ? *w.options->retry : options_.retry;
  for (std::uint32_t attempt = 2; failed && attempt - 1 <= most && may_follow(policy, *failed);
       ++attempt) {
    std::this_thread::sleep_for(pause_before(policy, attempt));
    {
      std::lock_guard lock{mutex_};
      ++stats_.retried;
    }
    failed = run_once(w, args, result);
  }
  {
    std::lock_guard lock{mutex_};
    ++(failed ? stats_.failed : stats_.succeeded);
  }
  if (failed)
    w.sink->on_failure(w.first_item + item, std::move(*failed));
  else
    deliver(w, item, std::move(result));
}

std::optional<failure> eager_pool::run_once(const detail::work& w, std::span<const std::byte> args,
                                            detail::buffer& result) {
  result = {};
  try {
    detail::reader callable{w.body.bytes().first(w.callable_bytes),
                            detail::reader_limits::trusted()};
    detail::reader in{args, detail::reader_limits::trusted()};
    callable.bring(w.body.descriptors());
    in.bring(w.body.descriptors());
    detail::stub_at(w.stub)(callable, in, result);
    return std::nullopt;
  } catch (...) {
    return describe_current_exception();
  }
}

void eager_pool::deliver(detail::work& w, std::uint32_t item, detail::buffer&& result) {
  if (result.descriptors() != nullptr)
    w.sink->on_large_value(w.first_item + item, std::move(result));
  else
    w.sink->on_value(w.first_item + item, result.bytes());
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

void eager_pool::look_on(std::shared_ptr<detail::onlooker>) {
  throw config_error("a pool with start_method::eager runs its tasks in the caller: there is "
                     "nothing to look at; use another start method");
}

} // namespace bulkhead::runtime
