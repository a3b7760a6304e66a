#include "engine/submitter/engine_pool.hpp"

#include "engine/submitter/names.hpp"
#include "runtime/outcome/failure_of.hpp"
#include "runtime/process/isolation_report.hpp"
#include "runtime/system/bell.hpp"
#include "runtime/system/masked_thread.hpp"
#include "runtime/this_process/own_process.hpp"

#include <bulkhead/error.hpp>

#include <algorithm>
#include <cstdio>
#include <utility>

// The calls of the pool. Its thread is in pool_thread.cpp.
namespace bulkhead::engine {

namespace {

using namespace std::chrono_literals;

constexpr std::size_t most_body = std::size_t{63} << 20;

courier_settings settings_of_pool(const rabbitmq& e, const std::string& own) {
  auto s = settings_of(e, own);
  s.heartbeat_s = heartbeat_of(e.lease);
  return s;
}

} // namespace

engine_pool::engine_pool(const rabbitmq& engine, pool_options options)
  : options_(std::move(options)), owner_(runtime::own_process::identity()),
    name_(unique_name("bulkhead.pool")), bell_(runtime::make_bell("the bell of a pool")),
    submitter_(name_, engine, options_, ports()), courier_(settings_of_pool(engine, name_)) {}

engine_pool::~engine_pool() {
  if (runtime::own_process::is(owner_))
    terminate();
  else if (thread_.joinable())
    thread_.detach(); // a forked copy: it does not exist here
}

submitter_ports engine_pool::ports() {
  submitter_ports p;
  p.publish = [this](const std::string& queue, const packed_bytes& message) {
    courier_.put(packet_kind::publish, 0, queue, message);
  };
  p.announce = [this](const packed_bytes& message) {
    courier_.put(packet_kind::announce, 0, {}, message);
  };
  p.look = [this](const std::string& queue) { courier_.put(packet_kind::look, 0, queue); };
  p.tell = [this](pool_event event) {
    if (options_.on_event)
      callbacks_.run([tell = options_.on_event, event = std::move(event)] { tell(event); });
  };
  p.ended = [this](std::uint64_t task) {
    if (completion_bell_) {
      completions_.push_back(task);
      runtime::ring(completion_bell_.get());
    }
  };
  return p;
}

void engine_pool::start() {
  thread_ = runtime::masked_thread("engine", [this] { run(); });
  std::unique_lock lock{mutex_};
  const bool told =
    changed_.wait_for(lock, connect_patience, [this] { return started_ || !broken_.empty(); });
  if (started_ && broken_.empty())
    return;
  auto why = !broken_.empty() ? broken_ : courier_.reason();
  lock.unlock();
  terminate();
  if (!told && why.empty())
    why = "the broker did not answer within 30 s";
  throw pool_broken("the pool with an engine cannot start: " + why);
}

void engine_pool::check_open() const {
  if (!broken_.empty())
    throw pool_broken(broken_);
  if (closed_ || terminated_)
    throw pool_closed("pool '" + options_.name + "' is closed: it takes no more tasks");
}

// Refused here, where the caller can be told.
void engine_pool::check_work(const detail::work& w) const {
  if (w.body.descriptors() != nullptr)
    throw codec_error("the arguments hold open descriptors or shared memory, which do not travel "
                      "to another machine; send the content, or a path that all nodes can read");
  if (w.broadcast)
    throw config_error("a pool with an engine has no workers of its own to broadcast to");
  const auto most = std::min(options_.queue_bytes, most_body);
  if (w.body.size() > most)
    throw too_large("the arguments have " + std::to_string(w.body.size()) + " bytes, more than the "
                    + std::to_string(most)
                    + " that travel through a broker; write a file that all nodes can read and "
                      "send its path");
}

// False: there is none, and `w` goes back.
bool engine_pool::wait_for_room(std::unique_lock<std::mutex>& lock, const detail::work& w,
                                detail::admission how) {
  const auto fits = [&] { return submitter_.has_room(w.items, w.body.size()); };
  if (fits())
    return true;
  if (how == detail::admission::try_only)
    return false;
  if (how == detail::admission::policy && options_.on_full == on_full::reject)
    throw queue_full("the backlog of pool '" + options_.name
                     + "' is full; submit later or use on_full::block");
  const auto let_in = [&] { return fits() || closed_ || terminated_ || !broken_.empty(); };
  if (w.room_until == time_point::max())
    changed_.wait(lock, let_in);
  else
    changed_.wait_until(lock, w.room_until, let_in);
  check_open();
  return fits();
}

bool engine_pool::submit(detail::work&& w, detail::admission how) {
  runtime::own_process::require(owner_);
  check_work(w);
  std::unique_lock lock{mutex_};
  check_open();
  if (!wait_for_room(lock, w, how))
    return false;
  submitter_.submit(std::move(w), std::chrono::steady_clock::now());
  const bool ring = std::exchange(asleep_, false);
  lock.unlock();
  if (ring)
    wake();
  return true;
}

void engine_pool::wake() noexcept { runtime::ring(bell_.get()); }

bool engine_pool::wait(detail::event_latch& latch, time_point deadline) {
  runtime::own_process::require(owner_);
  return latch.wait_until(deadline);
}

bool engine_pool::cancel(detail::future_base& f, bool kill_running) {
  runtime::own_process::require(owner_);
  const std::lock_guard lock{mutex_};
  const bool ended = submitter_.cancel(f.id(), kill_running);
  wake(); // what it says to nodes is to leave, and waiters may have room
  return ended;
}

bool engine_pool::cancel_all(const detail::task_sink& sink, bool kill_running) {
  runtime::own_process::require(owner_);
  const std::lock_guard lock{mutex_};
  const bool ended = submitter_.cancel_all(sink, kill_running);
  wake();
  return ended;
}

void engine_pool::cancel_pending() {
  runtime::own_process::require(owner_);
  const std::lock_guard lock{mutex_};
  submitter_.cancel_pending();
  wake();
}

std::optional<double> engine_pool::running(const detail::task_sink& sink) {
  runtime::own_process::require(owner_);
  const std::lock_guard lock{mutex_};
  if (submitter_.runs(sink))
    return 0.0;
  return std::nullopt;
}

// Some milliseconds of work, so that what one grant brings is spread and little is lost with a
// node.
std::size_t engine_pool::chunk_hint(const detail::task_sink& sink, std::size_t remaining) {
  constexpr std::chrono::nanoseconds wanted = 2ms;
  const auto mean = submitter_.mean_of(sink);
  if (mean.count() == 0)
    return 1;
  auto count = static_cast<std::size_t>(std::clamp<std::int64_t>(wanted / mean, 1, 1000));
  if (remaining != 0)
    count = std::min(count, std::max<std::size_t>(1, remaining / (2 * options_.workers)));
  return count;
}

bool engine_pool::is_open() {
  runtime::own_process::require(owner_);
  const std::lock_guard lock{mutex_};
  return !closed_ && !terminated_ && broken_.empty();
}

void engine_pool::close() {
  runtime::own_process::require(owner_);
  const std::lock_guard lock{mutex_};
  closed_ = true;
  changed_.notify_all();
}

bool engine_pool::join(time_point deadline) {
  runtime::own_process::require(owner_);
  std::unique_lock lock{mutex_};
  if (!closed_ && !terminated_)
    throw config_error("join() waits for a pool that takes no more tasks: call close() or "
                       "terminate() first");
  const auto quiet = [this] { return submitter_.at_rest(); };
  if (deadline != time_point::max())
    return changed_.wait_until(lock, deadline, quiet);
  changed_.wait(lock, quiet);
  return true;
}

void engine_pool::terminate() noexcept {
  if (!runtime::own_process::is(owner_))
    return;
  std::unique_lock lock{mutex_};
  closed_ = terminated_ = true;
  submitter_.end_all(runtime::failure_of(failure_kind::cancelled, "the pool was terminated"));
  stop_ = true;
  changed_.notify_all();
  wake();
  lock.unlock();
  if (thread_.joinable() && thread_.get_id() != std::this_thread::get_id()) {
    // One of two callers joins, the other waits for it.
    lock.lock();
    auto mine = std::move(thread_);
    lock.unlock();
    if (mine.joinable())
      mine.join();
  }
  callbacks_.stop();
}

void engine_pool::resize(std::size_t) {
  throw config_error("a pool with an engine has no workers to resize; start or stop nodes");
}

std::vector<worker_info> engine_pool::workers() {
  runtime::own_process::require(owner_);
  const std::lock_guard lock{mutex_};
  return submitter_.workers();
}

pool_stats engine_pool::stats() {
  runtime::own_process::require(owner_);
  const std::lock_guard lock{mutex_};
  return submitter_.stats();
}

std::vector<isolation_feature> engine_pool::isolation() {
  return runtime::no_isolation("tasks run on nodes, whose options say how they are isolated");
}

int engine_pool::completion_fd() {
  runtime::own_process::require(owner_);
  const std::lock_guard lock{mutex_};
  if (!completion_bell_)
    completion_bell_ = runtime::make_bell("the completions of a pool");
  return completion_bell_.get();
}

std::vector<std::uint64_t> engine_pool::completions() {
  runtime::own_process::require(owner_);
  const std::lock_guard lock{mutex_};
  if (completion_bell_)
    runtime::hush(completion_bell_.get());
  return std::exchange(completions_, {});
}

int engine_pool::room_fd() {
  throw config_error("a pool with an engine has no descriptor for its room; use try_submit");
}

std::vector<task_growth> engine_pool::growth() {
  throw config_error("a pool with an engine has no workers of its own that could grow");
}

std::vector<std::size_t> engine_pool::worker_ids() {
  throw config_error("a pool with an engine has no workers of its own to broadcast to");
}

void engine_pool::look_on(std::shared_ptr<detail::onlooker>) {
  throw config_error("a pool with an engine runs its tasks on nodes: look at those");
}

void engine_pool::expect_callbacks() {
  runtime::own_process::require(owner_);
  callbacks_.start();
}

bool engine_pool::on_callback_thread() const noexcept { return callbacks_.on_thread(); }

void engine_pool::call_back(std::function<void()> f) {
  runtime::own_process::require(owner_);
  callbacks_.run(std::move(f));
}

void engine_pool::call_back_locked(std::list<std::function<void()>>&& calls) noexcept try {
  if (runtime::own_process::is(owner_))
    callbacks_.run(std::move(calls));
} catch (const std::exception& e) {
  std::fprintf(stderr, "bulkhead: callbacks are lost: no thread for them: %s\n", e.what());
}

} // namespace bulkhead::engine
