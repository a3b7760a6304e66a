#include "actors/caf/failure_error.hpp"
#include "actors/caf/proxy.hpp"
#include "actors/host/actor_hub.hpp"
#include "runtime/system/unique_fd.hpp"

#include <bulkhead/supervised_work.hpp>

#include <caf/actor_cast.hpp>
#include <caf/actor_system.hpp>

#include <fcntl.h>
#include <sys/epoll.h>

#include <cerrno>
#include <memory>
#include <mutex>
#include <optional>
#include <system_error>
#include <utility>

// A process as an actor: the actor is only its end and what ends it. The runtime thread learns of
// the end twice, by the library's own watch, which learns how, and by the one here; whichever comes
// first, this one waits until the other has told.
namespace bulkhead::actors {

namespace {

constexpr std::chrono::seconds burial_patience{2};

/// The process, which is let go of only when it has ended: its destructor would wait for the
/// runtime thread, which may be the one that lets go.
class watched_process final : public endable, public std::enable_shared_from_this<watched_process> {
public:
  explicit watched_process(process p) : process_(std::move(p)) {}

  /// `on_end` runs once, on the runtime thread. Throws what process::start throws.
  void start(const std::shared_ptr<runtime::reactor>& thread,
             std::function<void(const caf::error&)> on_end) {
    const std::lock_guard lock{mutex_};
    process_.start();
    // Of its own: the library's watch has the other one, and epoll takes each once.
    sentinel_ = runtime::unique_fd{::fcntl(process_.sentinel(), F_DUPFD_CLOEXEC, 3)};
    if (!sentinel_) {
      const int why = errno;
      process_.kill();
      throw std::system_error(why, std::generic_category(), "fcntl(F_DUPFD_CLOEXEC)");
    }
    thread_ = thread;
    watch_ = thread->watch(sentinel_.get(), EPOLLIN,
                           [self = shared_from_this(), on_end = std::move(on_end)](std::uint32_t) {
                             if (const auto how = self->ended())
                               on_end(*how);
                           });
  }
  void interrupt() {
    const std::lock_guard lock{mutex_};
    process_.interrupt();
  }
  void kill() {
    const std::lock_guard lock{mutex_};
    process_.kill();
  }
  void end() noexcept override {
    kill();
    process_.join(burial_patience);
  }

private:
  /// Empty while it is not known how. Ends the watch, and with it what holds this.
  std::optional<caf::error> ended() {
    const std::lock_guard lock{mutex_};
    if (process_.is_alive())
      return std::nullopt;
    thread_->unwatch(watch_);
    const auto why = process_.failure();
    return why ? to_error(*why) : make_error(caf::exit_reason::normal);
  }

  std::mutex mutex_; ///< one call of the process at a time, but for join
  process process_;
  runtime::unique_fd sentinel_;
  std::shared_ptr<runtime::reactor> thread_;
  std::uint64_t watch_ = 0;
};

/// The actor. Whoever drops it ends the process.
class process_front final : public proxy_base {
public:
  process_front(caf::actor_config& config, std::shared_ptr<watched_process> work)
    : proxy_base(config), work_(std::move(work)) {}
  ~process_front() override { work_->kill(); }

  void on_send(caf::strong_actor_ptr sender, caf::message_id mid, caf::message msg) override {
    if (const auto exit = as_exit(msg)) {
      if (exit->reason == caf::exit_reason::kill)
        work_->kill();
      else if (exit->reason)
        work_->interrupt();
    } else if (sender && mid.is_request()) {
      answer_error(sender, mid, make_error(caf::sec::unexpected_message), nullptr);
    }
  }
  void on_link(caf::abstract_actor*, bool) override {}

private:
  const std::shared_ptr<watched_process> work_;
};

caf::actor start_process(caf::actor_system& system, process made) {
  const auto hub = actor_hub::of(system);
  const auto work = std::make_shared<watched_process>(std::move(made));
  const auto front = make_proxy<process_front>(system, system.next_actor_id(), system.node(), work);
  work->start(hub->thread(),
              [weak = caf::actor_cast<caf::weak_actor_ptr>(front)](const caf::error& reason) {
                if (const auto alive = weak.lock())
                  static_cast<process_front*>(alive->get())->kill(reason);
              });
  hub->add(work);
  return caf::actor_cast<caf::actor>(front);
}

/// A pool, held by its own actor until that ends.
class held_pool final : public endable {
public:
  held_pool(caf::actor_system& system, pool_options options) : pool_(system, std::move(options)) {}
  void end() noexcept override { pool_.terminate(); }
  caf::actor actor() { return pool_.actor(); }

private:
  pool pool_;
};

/// Told of the pool's break, which may come before the actor is known.
struct break_watch {
  std::mutex mutex;
  caf::weak_actor_ptr actor;
  bool broken = false;

  void set_actor(const caf::strong_actor_ptr& who) {
    const std::lock_guard lock{mutex};
    actor = caf::actor_cast<caf::weak_actor_ptr>(who);
  }
  void on_broken(const std::string& text) {
    caf::strong_actor_ptr whom;
    {
      const std::lock_guard lock{mutex};
      broken = true;
      whom = actor.lock();
    }
    if (whom)
      end(whom, text);
  }
  static void end(const caf::strong_actor_ptr& whom, const std::string& text) {
    failure f;
    f.kind = failure_kind::pool_broken;
    f.message = text;
    static_cast<proxy_base*>(whom->get())->kill(to_error(f));
  }
};

caf::actor start_pool(caf::actor_system& system, pool_options options) {
  const auto watch = std::make_shared<break_watch>();
  options.on_event = [watch, users = std::move(options.on_event)](const pool_event& e) {
    if (users)
      users(e);
    if (e.kind == event_kind::broken)
      watch->on_broken(e.text);
  };
  const auto hub = actor_hub::of(system);
  auto held = std::make_shared<held_pool>(system, std::move(options));
  hub->add(held);
  auto made = held->actor();
  const auto front = caf::actor_cast<caf::strong_actor_ptr>(made);
  watch->set_actor(front);
  // Whoever ends the actor must not wait for the pool's workers.
  at_exit(front, [hub = std::weak_ptr{hub}, held = std::move(held)](const caf::error&) {
    if (const auto alive = hub.lock())
      alive->call_back([held] {});
  });
  if (const std::lock_guard lock{watch->mutex}; watch->broken)
    break_watch::end(front, "the pool broke at its start");
  return made;
}

} // namespace

} // namespace bulkhead::actors

namespace bulkhead {

child_start detail::process_start(std::function<process()> make) {
  return host_child([make = std::move(make)](caf::actor_system& system) {
    return actors::start_process(system, make());
  });
}

child_start pool_child(pool_options options) {
  return host_child([options = std::move(options)](caf::actor_system& system) {
    return actors::start_pool(system, options);
  });
}

} // namespace bulkhead
