#pragma once

#include "observe/model/model.hpp"
#include "observe/model/recorder.hpp"

#include <bulkhead/detail/pool_core.hpp>
#include <bulkhead/observe/watch.hpp>

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace bulkhead::observe::detail {

using bulkhead::detail::pool_core;

/// One pool that is looked at, by however many watches. Owns the thread that samples it.
class watched {
public:
  /// Of this pool; made at the first call. Throws as watch does.
  static std::shared_ptr<watched> of(const std::shared_ptr<pool_core>& core);
  static std::vector<std::shared_ptr<watched>> all();

  ~watched();
  watched(const watched&) = delete;
  watched& operator=(const watched&) = delete;

  /// At most `fresh` old, but for the outcomes: all that were told by now are in it.
  snapshot now(const watch::cursor& since);

  /// Is told of all that came since the time before, one call after the other, in any thread.
  /// Called until it is removed; a snapshot has nothing new but the samples.
  struct news {
    std::vector<slice> ended;
    std::vector<span_sight> spans;
    std::vector<event_sight> events;
    std::vector<message_sight> messages;
    std::vector<take_sight> takes; ///< where somebody called want_takes()
    point now;
  };
  using listener = std::function<void(const news& what)>;
  std::uint64_t listen(listener who);
  void leave(std::uint64_t listener_number) noexcept;
  /// Each call with true takes one with false back. A listener may call it.
  void want_takes(bool on) noexcept;

  bool ended() const;
  std::uint64_t key() const noexcept { return key_; }
  /// Null where nobody holds it any more.
  std::shared_ptr<pool_core> core() const noexcept { return core_.lock(); }
  steady::time_point began() const noexcept { return began_; }

private:
  static constexpr std::chrono::milliseconds fresh{200};
  static constexpr std::chrono::seconds between_samples{1};

  explicit watched(const std::shared_ptr<pool_core>& core, std::uint64_t key);
  void run();
  void step(std::chrono::nanoseconds most_age);
  void sample_pool();
  std::vector<bulkhead::detail::actor_turn> turns_of_actors();

  const std::uint64_t key_;
  const std::uint64_t owner_; ///< own_process::identity when made
  const std::weak_ptr<pool_core> core_;
  const std::string name_;
  const steady::time_point began_ = steady::now();
  const std::shared_ptr<recorder> recorder_ = std::make_shared<recorder>();

  mutable std::mutex mutex_; ///< guards all below; before the pool's lock
  model model_;
  steady::time_point sampled_{};
  bool over_ = false;
  std::uint64_t events_told_ = 0;
  std::map<std::uint64_t, listener> listeners_;
  std::uint64_t next_listener_ = 1;

  std::atomic<int> want_takes_{0}; ///< seq_cst, as all that is rare

  std::mutex stop_mutex_;
  bool stop_ = false;
  std::unique_ptr<std::thread> thread_;
};

} // namespace bulkhead::observe::detail
