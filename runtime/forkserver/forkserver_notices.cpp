#include "runtime/forkserver/forkserver.hpp"

#include "runtime/system/packet_socket.hpp"

#include <sys/epoll.h>

#include <utility>

// What the forkserver tells of workers, read on the runtime thread. A notice may come before its
// worker's pid is known here; it waits in `early_` while any launch is under way.
namespace bulkhead::runtime {

namespace {

// Launches that are under way at the same time have at most two notices each.
constexpr std::size_t max_early = 4096;

} // namespace

// Before the request: a worker may end before its pid is known here.
void forkserver::expect_news() {
  auto thread = reactor::acquire(); // before the lock: it may start the thread
  const std::lock_guard lock{mutex_};
  if (!reactor_) {
    notices_watch_ =
      thread->watch(link_.notices.get(), EPOLLIN,
                    [self = shared_from_this()](std::uint32_t) { self->read_notices(); });
    reactor_ = std::move(thread);
  }
  ++starting_;
}

void forkserver::launch_ended() {
  const std::lock_guard lock{mutex_};
  --starting_;
  if (starting_ != 0)
    return;
  // Nobody is left who could claim them: they were of launches that failed.
  early_.clear();
  // Only the runtime thread unwatches: elsewhere that waits for a handler, which may want the lock.
  if (children_.empty())
    reactor_->post([self = shared_from_this()] { self->rest_if_idle(); });
}

// Ends when the last child's exit has ended the watch: by then the notices may be another runtime
// thread's to read.
void forkserver::read_notices() {
  while (watching_here()) {
    notice news;
    const auto into = std::as_writable_bytes(std::span{&news, 1});
    const auto got = packet_socket::receive(link_.notices.get(), into, time_point::min());
    if (got.error == ETIMEDOUT)
      return;
    if (got.error == EMFILE || got.error == EMSGSIZE)
      continue; // not from ours
    if (got.error != 0)
      return notices_ended();
    if (got.bytes == sizeof news && news.magic == message_magic)
      deliver(news);
  }
}

bool forkserver::watching_here() {
  const std::lock_guard lock{mutex_};
  return notices_watch_ != 0 && reactor_->on_thread();
}

void forkserver::deliver(const notice& news) {
  std::shared_ptr<child> receiver;
  {
    const std::lock_guard lock{mutex_};
    if (const auto found = children_.find(news.pid); found != children_.end())
      receiver = found->second;
    else if (starting_ != 0 && early_.size() < max_early)
      early_.push_back(news);
  }
  if (receiver)
    receiver->take(news);
}

// The forkserver is dead; its workers go on, and nobody tells how they end.
void forkserver::notices_ended() {
  usable_ = false;
  std::vector<std::shared_ptr<child>> orphans;
  {
    const std::lock_guard lock{mutex_};
    reactor_->unwatch(std::exchange(notices_watch_, 0));
    for (const auto& [pid, each] : children_)
      orphans.push_back(each);
  }
  for (const auto& each : orphans)
    each->undertaker_died();
}

// The kernel may have given the pid to a later worker by now, which stays.
void forkserver::forget(pid_t pid, const child* which) {
  {
    const std::lock_guard lock{mutex_};
    const auto found = children_.find(pid);
    if (found != children_.end() && found->second.get() == which)
      children_.erase(found);
  }
  rest_if_idle();
}

// On the runtime thread. Without children and launches nothing is watched and the thread not held.
void forkserver::rest_if_idle() {
  std::shared_ptr<reactor> thread; // released after the lock
  const std::lock_guard lock{mutex_};
  if (starting_ != 0 || !children_.empty() || !reactor_)
    return;
  thread = std::move(reactor_);
  if (notices_watch_ != 0)
    thread->unwatch(std::exchange(notices_watch_, 0));
}

} // namespace bulkhead::runtime
