#include "runtime/this_process/reactor.hpp"

#include "runtime/outcome/failure_wire.hpp"
#include "runtime/system/bell.hpp"
#include "runtime/system/descriptors.hpp"
#include "runtime/system/timespec.hpp"
#include "runtime/this_process/own_process.hpp"
#include "runtime/this_process/own_threads.hpp"
#include "runtime/this_process/process_state.hpp"

#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cerrno>
#include <csignal>
#include <system_error>

// The runtime thread: descriptors, timers and posted functions of all pools, one at a time. Any
// thread adds and removes, under the mutex; handlers run without it. unwatch() and cancel() from
// another thread wait until the handler has ended, so their caller must hold no lock which that
// handler takes; retract() does not wait.
namespace bulkhead::runtime {

namespace {

/// Nothing that a handler lets through may end the host, or keep the other pools from theirs.
template <class F>
void fenced(F& run) noexcept {
  try {
    run();
  } catch (...) {
    report_exception_in("a handler of the library");
  }
}

[[noreturn]] void fail(const char* call) {
  throw std::system_error{errno, std::generic_category(), call};
}

} // namespace

std::shared_ptr<reactor> reactor::acquire() {
  auto& state = process_state::mine();
  const std::lock_guard lock{state.mutex};
  if (auto running = state.running.lock())
    return running;
  std::shared_ptr<reactor> fresh{new reactor, &reactor::release};
  fresh->start_thread();
  state.running = fresh;
  return fresh;
}

reactor::reactor()
  : owner_(own_process::identity()), epoll_(above_stdio(unique_fd{::epoll_create1(EPOLL_CLOEXEC)})),
    wake_(make_bell("eventfd")) {
  if (!epoll_)
    fail("epoll_create1");
  epoll_event event{.events = EPOLLIN, .data = {.u64 = 0}};
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, wake_.get(), &event) != 0)
    fail("epoll_ctl");
}

// The mask goes into the attributes: the caller's own mask is never touched.
void reactor::start_thread() {
  sigset_t all;
  sigfillset(&all);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setsigmask_np(&attributes, &all);
  const auto error = pthread_create(&thread_, &attributes, &reactor::thread_main, this);
  pthread_attr_destroy(&attributes);
  if (error != 0) {
    stop_ = true; // release() must not join
    throw std::system_error{error, std::generic_category(), "pthread_create"};
  }
}

void reactor::release(reactor* self) noexcept {
  if (!own_process::is(self->owner_)) { // forked copy: its thread does not exist here
    self->epoll_.reset();
    self->wake_.reset();
    return; // the rest leaks: locks may be held by threads that are not here
  }
  std::unique_lock lock{self->mutex_};
  const auto never_ran = std::exchange(self->stop_, true);
  lock.unlock();
  if (never_ran) {
    delete self;
  } else if (self->on_thread()) {
    self->deletes_itself_ = true;
    pthread_detach(self->thread_);
  } else {
    self->wake();
    pthread_join(self->thread_, nullptr);
    delete self;
  }
}

void* reactor::thread_main(void* self) {
  auto& me = *static_cast<reactor*>(self);
  me.self_.store(pthread_self(), std::memory_order_relaxed); // partner: on_thread, in this thread
  pthread_setname_np(pthread_self(), "bulkhead");
  {
    const own_thread registered;
    me.loop();
  }
  if (me.deletes_itself_)
    delete &me;
  return nullptr;
}

// Relaxed: a thread finds its own value there or another one's, never its own by mistake.
bool reactor::on_thread() const noexcept {
  return self_.load(std::memory_order_relaxed) == pthread_self();
}

void reactor::wake() noexcept { ring(wake_.get()); }

std::uint64_t reactor::watch(int fd, std::uint32_t epoll_events, handler run) {
  auto entry = std::make_shared<watched>(watched{fd, std::move(run)});
  const std::lock_guard lock{mutex_};
  const auto id = next_id_++;
  // Before the descriptor is watched: its event may come at once.
  watches_.emplace(id, std::move(entry));
  epoll_event event{.events = epoll_events, .data = {.u64 = id}};
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
    const auto error = errno;
    watches_.erase(id);
    throw std::system_error{error, std::generic_category(), "epoll_ctl"};
  }
  return id;
}

void reactor::change(std::uint64_t watch, std::uint32_t epoll_events) noexcept {
  const std::lock_guard lock{mutex_};
  const auto found = watches_.find(watch);
  if (found == watches_.end())
    return;
  epoll_event event{.events = epoll_events, .data = {.u64 = watch}};
  [[maybe_unused]] const auto error =
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, found->second->fd, &event);
  assert(error == 0); // only a closed descriptor fails, against the contract
}

void reactor::unwatch(std::uint64_t watch) noexcept {
  std::shared_ptr<watched> last; // destroyed after the lock is gone
  std::unique_lock lock{mutex_};
  if (const auto found = watches_.find(watch); found != watches_.end()) {
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, found->second->fd, nullptr);
    last = std::move(found->second);
    watches_.erase(found);
  }
  wait_until_idle(watch, lock);
}

void reactor::wait_until_idle(std::uint64_t id, std::unique_lock<std::mutex>& lock) noexcept {
  if (!on_thread())
    ran_.wait(lock, [&] { return running_ != id; });
}

std::uint64_t reactor::at(clock::time_point when, std::function<void()> run) {
  const std::lock_guard lock{mutex_};
  const auto id = next_id_++;
  const auto timer = timers_.emplace(timer_key{when, id}, std::move(run)).first;
  try {
    timer_times_.emplace(id, when);
  } catch (...) {
    timers_.erase(timer);
    throw;
  }
  if (when < sleeps_until_) // asleep for longer than this timer allows
    wake();
  return id;
}

std::function<void()> reactor::remove_timer(std::uint64_t timer) noexcept {
  const auto found = timer_times_.find(timer);
  if (found == timer_times_.end())
    return {};
  const auto entry = timers_.find({found->second, timer});
  auto last = std::move(entry->second);
  timers_.erase(entry);
  timer_times_.erase(found);
  return last;
}

void reactor::cancel(std::uint64_t timer) noexcept {
  std::function<void()> last; // destroyed after the lock is gone
  std::unique_lock lock{mutex_};
  last = remove_timer(timer);
  wait_until_idle(timer, lock);
}

void reactor::retract(std::uint64_t timer) noexcept {
  std::function<void()> last; // destroyed after the lock is gone
  const std::lock_guard lock{mutex_};
  last = remove_timer(timer);
}

void reactor::post(std::function<void()> run) {
  const std::lock_guard lock{mutex_};
  posted_.push_back(std::move(run));
  // An eventfd costs a system call, which a thread that is awake does not need: it looks once more
  // before it sleeps.
  if (sleeps_until_ != clock::time_point::min())
    wake();
}

void reactor::run_as(std::uint64_t id, std::unique_lock<std::mutex>& lock,
                     const std::function<void()>& run) {
  running_ = id;
  lock.unlock();
  fenced(run);
  lock.lock();
  running_ = 0;
  ran_.notify_all();
}

void reactor::dispatch(std::uint64_t id, std::uint32_t events) {
  std::shared_ptr<watched> entry; // outlives an unwatch inside the handler
  std::unique_lock lock{mutex_};
  const auto found = watches_.find(id);
  if (found == watches_.end())
    return;
  entry = found->second;
  run_as(id, lock, [&] { entry->run(events); });
  lock.unlock();
}

void reactor::run_due() {
  std::unique_lock lock{mutex_};
  // Read once: timers that come due meanwhile wait for the next round, behind the descriptors.
  const auto now = clock::now();
  while (!timers_.empty() && timers_.begin()->first.first <= now) {
    const auto id = timers_.begin()->first.second;
    auto run = std::move(timers_.begin()->second);
    timers_.erase(timers_.begin());
    timer_times_.erase(id);
    run_as(id, lock, run);
    lock.unlock();
    run = nullptr; // what it captured may call us
    lock.lock();
  }
}

void reactor::run_posted() {
  std::vector<std::function<void()>> batch;
  {
    const std::lock_guard lock{mutex_};
    // What these post runs in the next round, so that a function which posts itself keeps nobody
    // out.
    batch.swap(posted_);
  }
  for (auto& run : batch)
    fenced(run);
}

// False: stop.
bool reactor::sleep_until_next(epoll_event* events, int capacity, int& count) {
  auto until = clock::time_point::max();
  {
    const std::lock_guard lock{mutex_};
    if (stop_)
      return false;
    if (!timers_.empty())
      until = timers_.begin()->first.first;
    if (!posted_.empty())
      until = clock::now();
    // Under the mutex, in which whoever adds something reads it: either it is seen above, or it
    // wakes.
    sleeps_until_ = until;
  }
  const auto left = time_left(until);
  const auto forever = until == clock::time_point::max();
  count = ::epoll_pwait2(epoll_.get(), events, capacity, forever ? nullptr : &left, nullptr);
  const std::lock_guard lock{mutex_};
  sleeps_until_ = clock::time_point::min();
  return !stop_;
}

void reactor::loop() {
  std::array<epoll_event, 64> events;
  int count = 0;
  while (sleep_until_next(events.data(), static_cast<int>(events.size()), count)) {
    for (int at = 0; at < count; ++at) {
      const auto& event = events[static_cast<std::size_t>(at)];
      if (event.data.u64 != 0) {
        dispatch(event.data.u64, event.events);
        continue;
      }
      hush(wake_.get());
    }
    run_posted();
    run_due();
  }
}

} // namespace bulkhead::runtime
