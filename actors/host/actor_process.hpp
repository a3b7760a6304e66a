#pragma once

#include "actors/host/actor_hub.hpp"
#include "actors/host/reader_turn.hpp"
#include "actors/wire/ring_transport.hpp"
#include "actors/worker/actor_worker_settings.hpp"
#include "actors/worker/spawn_request.hpp"
#include "runtime/dispatch/turn_watch.hpp"
#include "runtime/process/child.hpp"
#include "runtime/process/launch_output.hpp"
#include "runtime/system/spin.hpp"

#include <bulkhead/actor_options.hpp>
#include <bulkhead/detail/onlooker.hpp>
#include <bulkhead/options.hpp>
#include <bulkhead/pool_info.hpp>

#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace bulkhead::actors {

/// Of a supervised actor: what pool::actors() shows of its supervisor.
struct supervised_by {
  std::string supervisor; ///< empty: none
  std::size_t restarts = 0;
};

/// One actor worker, from its start to its end, as the host sees it. Thread-safe.
class actor_process : public leader, public std::enable_shared_from_this<actor_process> {
public:
  using clock = std::chrono::steady_clock;
  /// Runs once on the runtime thread when the process has ended and everything it left behind has
  /// been dealt with.
  using end_handler = std::function<void(const exit_status&, bool was_ready)>;

  /// `options.on_event` is called in the library's threads: it hands the event on and returns. It
  /// is told nothing of ends by the pool's will. Throws what runtime::launch throws.
  static std::shared_ptr<actor_process> start(std::shared_ptr<actor_hub> hub,
                                              const pool_options& options, std::size_t number,
                                              end_handler on_end);
  ~actor_process() override;

  peer_id peer() const noexcept { return peer_; }
  pid_t pid() const noexcept { return child_->pid(); }
  bool serves() const noexcept { return !asked() && !link_->dead(); }
  bool bad() const noexcept { return cause_.load() == static_cast<int>(exit_cause::bad_message); }
  /// Requests that it has dropped, as it says.
  std::uint64_t expired() const noexcept;
  /// Lets those hear who watch plain messages to it that it has taken.
  void tell_taken() { link_->pending.popped(io_->peer_popped()); }
  /// Actors that live here, and starts on their way; for placement.
  std::size_t actors() const noexcept;

  /// Waits for the worker's answer. Empty where it takes no more actors, or an actor keeps it from
  /// starting another: then nothing was started. Throws task_error (the constructor threw),
  /// worker_died, codec_error, too_large; and timeout_error at the deadline, where the worker,
  /// which does not end the start, is killed.
  std::optional<caf::strong_actor_ptr> try_spawn(const spawn_request& request,
                                                 clock::time_point deadline);
  /// The same, and timeout_error where try_spawn gives nothing.
  caf::strong_actor_ptr spawn(const spawn_request& request, clock::time_point deadline);
  /// The same without waiting: `done` runs in a thread that reads the link, with a handle or a
  /// failure. The number of the request; 0 where the process has ended.
  using spawn_handler = std::function<void(caf::strong_actor_ptr, const failure&)>;
  std::uint64_t spawn(const spawn_request& request, spawn_handler done);

  /// Whether it takes actors: it serves and is not too old.
  bool admits() const;
  /// What its loop works at; actor 0, since now: at nothing that keeps others waiting.
  struct busy_fact {
    caf::actor_id actor = 0;
    clock::time_point since;
  };
  busy_fact busy_with() const;
  /// Why it starts nothing, for people.
  std::string busy_text() const;

  /// Ends one of its actors: by an exit message, and with the process where that does not help
  /// within the grace.
  void end_actor(const caf::strong_actor_ptr& actor, std::chrono::nanoseconds grace);
  /// What an actor's options say of its time and its name, and who starts it again.
  void settle(const caf::strong_actor_ptr& actor, const actor_options& how,
              const supervised_by& whom = {});
  bool busy_for(std::chrono::nanoseconds patience) const {
    return busy_with().since + patience < clock::now();
  }
  /// Whether the process is gone and reaped.
  bool over() const {
    const std::lock_guard lock{mutex_};
    return over_;
  }
  worker_info info() const;
  void list_actors(std::vector<actor_info>& all) const;
  /// Adds the messages that were handled since the call before. Has the worker note them for some
  /// seconds more.
  void take_turns(std::vector<detail::actor_turn>& all);
  std::chrono::nanoseconds grace() const noexcept { return grace_; }

  /// Asks the actors to end, then the process; SIGKILL after the grace.
  void stop(exit_cause why, std::chrono::nanoseconds grace) noexcept;
  void kill(exit_cause why) noexcept;
  /// For tests: any signal, without a cause of ours. False where the process has ended.
  bool signal(int number) noexcept { return child_->kill(number); }
  /// True when the process is gone and reaped.
  bool wait(clock::time_point deadline);

private:
  actor_process(std::shared_ptr<actor_hub> hub, const pool_options& options, std::size_t number,
                end_handler on_end);
  void launch(const pool_options& options);
  void connect(const pool_options& options);
  void start_child(const pool_options& options);
  void forget_launch() noexcept;
  worker_settings settings_for(const pool_options& options) const;
  bool says_own_node(std::span<const std::byte> body) const;
  void adopt(std::shared_ptr<runtime::child> child);
  bool asked() const noexcept { return cause_.load() != static_cast<int>(exit_cause::none); }
  bool claim_cause(exit_cause why) noexcept;
  void tell_ready() const noexcept;
  bool on_control(const frame& f);
  void on_bell();
  void give_turn_back(bool good) noexcept;
  void end_child() noexcept;
  void look_again() noexcept;
  bool drain();
  bool look_on() noexcept;
  void refuse_more() noexcept;
  bool await_piece(clock::time_point deadline) noexcept;
  bool begin() noexcept override;
  bool take_over() noexcept override;
  void lead(const caf::strong_actor_ptr& sender, caf::message_id request) override;
  void end() noexcept override;
  bool answers_quickly() const noexcept { return slow_leads_.load(std::memory_order_relaxed) < 4; }
  void await_answer() noexcept;
  bool withdraw(std::uint64_t request) noexcept;
  void end_start() noexcept;
  runtime::turn_facts facts() const;
  void look_soon();
  void plan_look(clock::time_point at);
  void look(std::uint64_t number);
  void actor_ended(caf::actor_id id);
  process_end end_of(failure& f);
  struct label {
    std::string name;
    supervised_by whom;
  };
  void on_exit(const runtime::child_exit& exit);
  void fail_spawns(const failure& f);

  const std::shared_ptr<actor_hub> hub_;
  const std::size_t number_;
  const std::chrono::nanoseconds grace_;
  const bool measures_memory_;
  const std::chrono::system_clock::time_point started_at_ = std::chrono::system_clock::now();
  const clock::time_point born_ = clock::now();
  const std::function<void(const pool_event&)> on_event_;
  const std::shared_ptr<ring_transport> io_;
  peer_id peer_ = 0;
  std::shared_ptr<link> link_;
  std::shared_ptr<runtime::child> child_;
  runtime::launch_output output_;
  end_handler on_end_;
  std::uint64_t watch_ = 0;
  std::atomic<int> cause_ = static_cast<int>(exit_cause::none); ///< why the host ends it
  std::atomic<std::uint64_t> spawned_ = 0; ///< the last request to start an actor

  reader_turn turn_; ///< guards what follows and the link's receiving side
  bool has_lied_ = false;
  runtime::spinner spinner_;
  runtime::spinner leader_spinner_;
  std::atomic<std::uint32_t> leads_ = 0;      ///< wanted, in all
  std::atomic<std::uint32_t> slow_leads_ = 1; ///< since the last that was quick

  std::mutex turns_mutex_; ///< guards what follows
  std::uint64_t turns_taken_ = 0;

  std::mutex start_mutex_;   ///< before mutex_
  mutable std::mutex mutex_; ///< guards what follows
  runtime::turn_watch watched_;
  clock::time_point next_look_ = clock::time_point::max();
  std::uint64_t look_number_ = 0;
  std::string why_ended_; ///< by the watch; for people
  std::map<caf::actor_id, label> labels_;
  std::condition_variable changed_;
  bool ready_ = false;
  std::optional<runtime::child_exit> early_exit_;
  bool closed_ = false; ///< takes no spawns
  failure end_;         ///< once closed
  bool over_ = false;
  std::uint64_t requests_ = 0;
  std::map<std::uint64_t, spawn_handler> waiting_;
};

} // namespace bulkhead::actors
