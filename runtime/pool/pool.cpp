#include <bulkhead/detail/pool_engine.hpp>
#include <bulkhead/detail/shared_segment.hpp>
#include <bulkhead/pool.hpp>
#include <bulkhead/version.hpp>

#include "runtime/pool/eager_pool.hpp"
#include "runtime/pool/observe_library.hpp"
#include "runtime/pool/pool_checks.hpp"
#include "runtime/pool/worker_pool.hpp"

#include <tuple>

namespace bulkhead {

namespace detail {

std::shared_ptr<pool_core> make_pool_core(pool_options options) {
  if (const auto engine = options.engine)
    return engine->make_pool(std::move(options));
  auto good = runtime::checked(std::move(options));
  if (good.start == start_method::eager)
    return std::make_shared<runtime::eager_pool>(std::move(good));
  auto core = std::make_shared<runtime::worker_pool>(std::move(good));
  core->start();
  try {
    runtime::observe_if_asked(core);
  } catch (...) {
    core->terminate();
    throw;
  }
  return core;
}

} // namespace detail

std::string_view version() noexcept { return BULKHEAD_VERSION; }

pool::pool(pool_options options) : core_(detail::make_pool_core(std::move(options))) {}

pool& pool::operator=(pool&& other) noexcept {
  if (this != &other) {
    if (core_)
      terminate();
    core_ = std::move(other.core_);
  }
  return *this;
}

pool::~pool() {
  if (core_)
    terminate();
}

void pool::terminate() noexcept {
  // Tasks first: an actor of the pool may still wait for their outcomes.
  core_->terminate();
  if (const auto actors = core_->attached())
    actors->end();
}
void pool::close() { core_->close(); }
void pool::join() { core_->join(detail::time_point::max()); }
void pool::shutdown(shutdown_options options) {
  close();
  if (options.cancel_pending)
    core_->cancel_pending();
  if (options.wait)
    join();
}
void pool::resize(std::size_t workers) { core_->resize(workers); }
std::vector<worker_info> pool::workers() const {
  auto all = core_->workers();
  if (const auto actors = core_->attached())
    for (auto& w : actors->workers())
      all.push_back(w);
  return all;
}
std::vector<actor_info> pool::actors() const {
  core_->require_own_process();
  const auto actors = core_->attached();
  return actors ? actors->actors() : std::vector<actor_info>{};
}
pool_stats pool::stats() const {
  auto now = core_->stats();
  std::tie(now.blobs, now.blob_bytes) = detail::blobs_held();
  if (const auto actors = core_->attached()) {
    now.bad_messages += actors->bad_messages();
    now.dead_letters += actors->dead_letters();
  }
  return now;
}
std::vector<isolation_feature> pool::isolation() const { return core_->isolation(); }
std::string pool::last_output(std::size_t worker) const { return core_->last_output(worker); }
std::vector<task_growth> pool::growth() const { return core_->growth(); }
int pool::room_fd() const { return core_->room_fd(); }
int pool::completion_fd() const { return core_->completion_fd(); }
std::vector<std::uint64_t> pool::completions() const { return core_->completions(); }

} // namespace bulkhead
