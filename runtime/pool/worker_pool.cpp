#include "runtime/pool/worker_pool.hpp"

#include "runtime/code/shipped_call.hpp"
#include "runtime/outcome/failure_of.hpp"
#include "runtime/pool/pool_checks.hpp"
#include "runtime/system/bell.hpp"
#include "runtime/system/descriptors.hpp"
#include "runtime/system/launch_error.hpp"
#include "runtime/this_process/own_process.hpp"
#include "runtime/worker/task_worker.hpp"

#include <bulkhead/parallelism.hpp>

#include <signal.h>
#include <sys/epoll.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <system_error>

namespace bulkhead::runtime {

namespace {

unique_fd checked(int fd, const char* call) {
  if (fd < 0)
    throw std::system_error(errno, std::generic_category(), call);
  return above_stdio(unique_fd{fd});
}

void add_to(int epoll, int fd) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = fd;
  if (::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0)
    throw std::system_error(errno, std::generic_category(), "epoll_ctl");
}

/// A core must be left for the peer, or spinning only takes the time it needs.
std::chrono::nanoseconds longest_spin(std::size_t parallelism) {
  return std::chrono::microseconds{parallelism > 1 ? 50 : 0};
}

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
  return launch(request, std::move(on_exit), clock::now() + std::chrono::seconds{10});
} catch (const launch_error& e) {
  throw start_refusal{e};
}

std::shared_ptr<forkserver> copy_of_host() try {
  return copy_host();
} catch (const launch_error& e) {
  throw start_refusal{e};
}

child_exit ended_well() {
  child_exit exit;
  exit.known = exit.started = true;
  return exit;
}

} // namespace

worker_pool::worker_pool(pool_options options)
  : options_(std::move(options)), parallelism_(available_parallelism()),
    reactor_(reactor::acquire()), events_(checked(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1")),
    kick_(make_bell("eventfd")), owner_(own_process::identity()),
    callbacks_(std::make_unique<callback_thread>()),
    backlog_(options_.queue_capacity, options_.queue_bytes), target_(options_.workers),
    random_(std::random_device{}()), intensity_(options_.restart, options_.workers),
    leader_spin_(longest_spin(parallelism_)) {
  add_to(events_.get(), kick_.get());
}

worker_pool::~worker_pool() {
  if (!own_process::is(owner_)) {
    static_cast<void>(callbacks_.release()); // a forked copy: its thread does not exist here
    return;
  }
  terminate();
}

void worker_pool::start() {
  if (options_.on_event)
    callbacks_->start();
  if (options_.start == start_method::fork)
    server_ = copy_of_host();
  watch_ = reactor_->watch(events_.get(), EPOLLIN, [weak = weak_from_this()](std::uint32_t) {
    if (auto self = std::static_pointer_cast<worker_pool>(weak.lock()))
      self->serve();
  });
  try {
    for (std::size_t i = 0; i < target_; ++i)
      start_worker();
  } catch (...) {
    terminate();
    throw;
  }
}

worker_pool::slot_ptr worker_pool::make_slot() {
  std::size_t id = 0;
  {
    lock_type lock{mutex_};
    id = next_worker_++;
  }
  const auto kind =
    options_.start == start_method::thread ? channel::peer::thread : channel::peer::process;
  auto slot = std::make_shared<worker_slot>(id, options_.ring_capacity, kind);
  if (options_.output == output_mode::prefix || options_.output == output_mode::capture)
    slot->output = std::make_shared<worker_output>(options_.output, options_.name, id, reactor_);
  return slot;
}

worker_config worker_pool::config_for(const worker_slot& slot) const {
  worker_config c;
  c.id = slot.id;
  c.pool_name = options_.name;
  c.ring_capacity = options_.ring_capacity;
  c.base = slot.link.base();
  c.max_result_bytes = options_.queue_bytes;
  c.max_memory = options_.max_memory_per_worker;
  c.spin =
    options_.workers <= parallelism_ ? longest_spin(parallelism_) : std::chrono::nanoseconds{0};
  c.beat = std::clamp<std::chrono::nanoseconds>(
    options_.unresponsive_after / 5, std::chrono::milliseconds{10}, std::chrono::seconds{1});
  if (options_.initializer)
    c.initializer = encode_call(options_.initializer);
  if (options_.finalizer)
    c.finalizer = encode_call(options_.finalizer);
  return c;
}

void worker_pool::start_worker() {
  const auto slot = make_slot();
  if (options_.start == start_method::thread)
    launch_thread(slot);
  else
    launch_process(slot);
  try {
    admit(slot);
  } catch (...) { // it serves nobody
    if (slot->process)
      slot->process->kill(SIGKILL);
    else
      slot->link.request_stop();
    throw;
  }
}

void worker_pool::launch_process(const slot_ptr& slot) {
  launch_request request;
  request.method = options_.start;
  request.entry = &task_worker_main;
  request.start = encode_config(config_for(*slot));
  request.fds = slot->link.worker_fds();
  unique_fd null_output;
  if (slot->output)
    request.stdout_fd = request.stderr_fd = slot->output->write_fd();
  else if (options_.output == output_mode::null) {
    null_output = open_null_output();
    request.stdout_fd = request.stderr_fd = null_output.get();
  }
  request.setup = worker_setup::from(options_.limits, options_.affinity, options_.nice);
  request.server = server_;
  slot->process = launch_one(request, [weak = weak_from_this(), slot](const child_exit& exit) {
    if (auto self = std::static_pointer_cast<worker_pool>(weak.lock()))
      self->on_exit(slot, exit);
  });
  slot->link.close_segment_fds();
  if (slot->output)
    slot->output->close_write_end();
}

void worker_pool::launch_thread(const slot_ptr& slot) {
  const auto end = slot->link.thread_end(slot->inbox);
  slot->thread = start_worker_thread(config_for(*slot), end, [weak = weak_from_this(), slot] {
    if (auto self = std::static_pointer_cast<worker_pool>(weak.lock()))
      self->reactor_->post([self, slot] { self->on_exit(slot, ended_well()); });
  });
}

void worker_pool::admit(const slot_ptr& slot) {
  lock_type lock{mutex_};
  slots_.reserve(slots_.size() + 1);
  retired_.reserve(retired_.size() + slots_.size() + 1); // a death needs no memory for them
  add_to(events_.get(), slot->link.event_fd());
  const auto early = early_exits_.extract(slot->id);
  slots_.push_back(slot);
  ++slots_version_;
  tell(event_kind::started, *slot, {}, "worker started");
  if (terminated_)
    kill(*slot, exit_cause::shutdown);
  else if (serving() > target_) { // the pool shrank or ended while it started
    slot->draining = true;
    slot->leaving = target_ == 0 ? exit_cause::shutdown : exit_cause::recycled;
  }
  arm(*slot);
  if (options_.max_age_per_worker.count() != 0)
    need_tick(slot->born + options_.max_age_per_worker);
  pump();
  wake_room_waiters(); // a broadcast may wait for it
  lock.unlock();
  if (!early.empty())
    on_exit(slot, early.mapped());
}

void worker_pool::want_worker(std::chrono::nanoseconds after) noexcept try {
  if (after.count() == 0) {
    reactor_->post([weak = weak_from_this()] {
      if (const auto self = std::static_pointer_cast<worker_pool>(weak.lock()))
        self->start_due();
    });
    ++wanted_; // under our lock, which start_due needs
    ++due_;
    return;
  }
  reactor_->at(clock::now() + after, [weak = weak_from_this()] {
    const auto self = std::static_pointer_cast<worker_pool>(weak.lock());
    if (!self)
      return;
    {
      const lock_type lock{self->mutex_};
      ++self->due_;
    }
    self->start_due();
  });
  ++wanted_;
} catch (const std::bad_alloc&) {
  ++owed_workers_;
  kick();
}

void worker_pool::start_due() {
  lock_type lock{mutex_};
  // What falls due meanwhile has a turn of its own: other pools wait for this thread.
  for (auto turns = due_; turns > 0 && due_ > 0; --turns, lock.lock()) {
    --due_;
    --wanted_;
    const bool needed = !terminated_ && !broken_ && missing_workers() > 0;
    lock.unlock();
    if (!needed)
      continue;
    try {
      start_worker();
    } catch (const std::exception& e) {
      start_refused(e.what());
    }
  }
}

void worker_pool::start_refused(const char* why) {
  lock_type lock{mutex_};
  const auto verdict =
    intensity_.on_death(clock::now(), false, std::uniform_real_distribution<>{}(random_));
  if (verdict.give_up)
    break_pool(failure_of(failure_kind::pool_broken,
                          "pool '" + options_.name + "' cannot start workers: " + why));
  else
    want_worker(verdict.wait);
}

std::size_t worker_pool::serving() const noexcept {
  return static_cast<std::size_t>(
    std::count_if(slots_.begin(), slots_.end(), [](const auto& s) { return s->serves(); }));
}

void worker_pool::keep_size() {
  if (terminated_ || broken_
      || (closed_ && backlog_.empty() && delayed_.empty() && in_flight_ == 0))
    return;
  for (auto missing = missing_workers(); missing > 0; --missing)
    want_worker(std::chrono::nanoseconds{0});
}

// A worker counts until its process is gone, however little it still serves: so there are never
// more than target_ of them, and a replacement starts when its predecessor has ended.
std::size_t worker_pool::missing_workers() const noexcept {
  const auto there = slots_.size() + wanted_ + owed_workers_;
  return target_ - std::min(target_, there);
}

void worker_pool::stop_idle_workers() {
  for (const auto& s : slots_) {
    if (!s->draining || s->stopping || s->busy() || s->pinned > 0)
      continue;
    s->stopping = true;
    s->kill_at = clock::now() + options_.grace;
    s->link.request_stop();
    need_tick(s->kill_at);
  }
}

void worker_pool::kill(worker_slot& slot, exit_cause why) noexcept {
  if (slot.asked == exit_cause::none)
    slot.asked = why;
  slot.draining = true;
  if (slot.process) {
    if (slot.killed_at == time_point::max()) {
      slot.killed_at = clock::now();
      need_tick(slot.killed_at + options_.grace + std::chrono::seconds{1});
    }
    slot.process->kill(SIGKILL);
  } else {
    slot.link.request_task_stop(no_position);
    slot.link.request_stop();
  }
}

void worker_pool::break_pool(failure why) {
  if (broken_ || terminated_)
    return;
  broken_ = std::move(why);
  tell_broken(broken_->message);
  fail_everything_queued(*broken_);
  changed_.notify_all();
}

void worker_pool::fail_everything_queued(const failure& f) {
  while (!backlog_.empty())
    fail_all(take_queued(*backlog_.front()), f);
  while (!delayed_.empty())
    fail_all(std::move(delayed_.extract(delayed_.begin()).mapped()), f);
}

void worker_pool::close() {
  own_process::require();
  lock_type lock{mutex_};
  closed_ = true;
  wake_room_waiters(); // the first of them may lead, and sleeps elsewhere
}

bool worker_pool::join(time_point deadline) {
  own_process::require();
  lock_type lock{mutex_};
  if (!closed_ && !terminated_ && !broken_)
    throw config_error("join() waits for a pool that takes no more tasks: call close() or "
                       "terminate() first");
  const auto quiet = [this] { return backlog_.empty() && delayed_.empty() && in_flight_ == 0; };
  if (!lead(lock, quiet, nullptr, deadline))
    return false;
  for (const auto& s : slots_) {
    s->leaving = exit_cause::shutdown;
    s->draining = true;
  }
  target_ = 0;
  stop_idle_workers();
  return wait_for_workers_gone(lock, deadline);
}

bool worker_pool::wait_for_workers_gone(lock_type& lock, time_point deadline) {
  const auto gone = [this] { return slots_.empty() && in_flight_ == 0; };
  if (reactor_->on_thread()) // cannot wait for itself; a death is delivered here later
    return gone();
  if (deadline == time_point::max()) {
    changed_.wait(lock, gone);
    return true;
  }
  return changed_.wait_until(lock, deadline, gone);
}

void worker_pool::terminate() noexcept {
  if (!own_process::is(owner_))
    return; // a forked copy: the workers are the original's
  lock_type lock{mutex_};
  closed_ = true;
  terminated_ = true;
  target_ = 0;
  fail_everything_queued(failure_of(failure_kind::cancelled, "the pool was terminated"));
  for (const auto& s : slots_) {
    kill(*s, exit_cause::shutdown);
    if (!s->process && s->busy())
      recall_if_possible(*s, s->link.flown().next()); // a thread ends after its task
  }
  changed_.notify_all();
  kick();
  wait_for_workers_gone(lock, clock::now() + options_.grace + std::chrono::seconds{1});
  while (!slots_.empty() && !reactor_->on_thread()) { // cannot die, or a thread in a long task
    const auto slot = slots_.back();
    abandon(slot);
    remove_slot(slot);
  }
  if (!leader_)
    retired_.clear(); // a future that is kept keeps the pool, but nothing of its workers
  const auto watch = std::exchange(watch_, 0);
  const auto timer = std::exchange(timer_, 0);
  over_ = true;
  lock.unlock();
  if (watch != 0)
    reactor_->unwatch(watch);
  if (timer != 0)
    reactor_->cancel(timer);
  callbacks_->stop();
}

void worker_pool::resize(std::size_t workers) {
  own_process::require();
  check_worker_count(workers);
  lock_type lock{mutex_};
  check_open();
  target_ = workers;
  take_back_surplus();
  auto surplus = serving() > workers ? serving() - workers : 0;
  for (const bool idle_only : {true, false})
    for (auto s = slots_.rbegin(); s != slots_.rend() && surplus > 0; ++s) {
      if (!(*s)->serves() || (idle_only && (*s)->busy()))
        continue;
      (*s)->draining = (*s)->surplus = true;
      (*s)->leaving = exit_cause::recycled;
      --surplus;
    }
  stop_idle_workers();
  const auto missing = missing_workers();
  lock.unlock();
  for (std::size_t i = 0; i < missing; ++i)
    start_worker();
}

// A worker that an earlier resize made superfluous and that still runs its last task may stay.
void worker_pool::take_back_surplus() noexcept {
  for (const auto& s : slots_)
    if (s->surplus && !s->stopping && !s->lost && serving() < target_) {
      s->surplus = s->draining = false;
      s->leaving = exit_cause::none;
    }
}

void worker_pool::expect_callbacks() {
  own_process::require();
  callbacks_->start();
}

void worker_pool::call_back(std::function<void()> f) {
  own_process::require();
  callbacks_->run(std::move(f));
}

// The thread runs since expect_callbacks, but where the pool has ended and no new one can start.
void worker_pool::call_back_locked(std::list<std::function<void()>>&& calls) noexcept try {
  callbacks_->run(std::move(calls));
} catch (const std::system_error& e) {
  std::fprintf(stderr, "bulkhead: callbacks are lost: no thread for them: %s\n", e.what());
}

// Events are news: where there is no memory for one, the pool goes on without it.
void worker_pool::tell(event_kind kind, const worker_slot& slot, const exit_status& exit,
                       std::string_view text) noexcept try {
  if (!options_.on_event)
    return;
  pool_event event{kind,          slot.id,           slot.process ? slot.process->pid() : 0,
                   exit,          std::string{text}, slot.done,
                   slot.busy_time};
  call_back([call = options_.on_event, event = std::move(event)] { call(event); });
} catch (const std::exception& e) {
  std::fprintf(stderr, "bulkhead: an event is lost: %s\n", e.what());
}

void worker_pool::tell_broken(const std::string& text) noexcept try {
  if (!options_.on_event)
    return;
  call_back([call = options_.on_event, event = pool_event{event_kind::broken, 0, 0, {}, text}] {
    call(event);
  });
} catch (const std::exception& e) {
  std::fprintf(stderr, "bulkhead: an event is lost: %s\n", e.what());
}

} // namespace bulkhead::runtime
