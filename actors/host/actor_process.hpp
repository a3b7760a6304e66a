#pragma once

#include "actors/host/actor_hub.hpp"
#include "actors/host/reader_turn.hpp"
#include "actors/wire/ring_transport.hpp"
#include "actors/worker/spawn_request.hpp"
#include "runtime/process/child.hpp"
#include "runtime/process/worker_output.hpp"
#include "runtime/system/spin.hpp"

#include <bulkhead/options.hpp>

#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

namespace bulkhead::actors {

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
  /// Actors started here so far; for placement.
  std::size_t actors() const noexcept { return spawned_.load(std::memory_order_relaxed); }

  /// Waits for the worker's answer. Throws task_error (the constructor threw), worker_died,
  /// codec_error, timeout_error.
  caf::strong_actor_ptr spawn(const spawn_request& request, clock::time_point deadline);
  /// The same without waiting: `done` runs in a thread that reads the link, with a handle or a
  /// failure.
  using spawn_handler = std::function<void(caf::strong_actor_ptr, const failure&)>;
  void spawn(const spawn_request& request, spawn_handler done);

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
  void adopt(std::shared_ptr<runtime::child> child);
  bool asked() const noexcept { return cause_.load() != static_cast<int>(exit_cause::none); }
  bool claim_cause(exit_cause why) noexcept;
  void tell_ready() const noexcept;
  bool on_control(const frame& f);
  void on_bell();
  void give_turn_back(bool good) noexcept;
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
  void check_beat();
  void on_exit(const runtime::child_exit& exit);
  void fail_spawns(const failure& f);

  const std::shared_ptr<actor_hub> hub_;
  const std::size_t number_;
  const std::function<void(const pool_event&)> on_event_;
  const std::shared_ptr<ring_transport> io_;
  peer_id peer_ = 0;
  std::shared_ptr<link> link_;
  std::shared_ptr<runtime::child> child_;
  std::shared_ptr<runtime::worker_output> output_;
  end_handler on_end_;
  std::uint64_t watch_ = 0;
  std::atomic<int> cause_ = static_cast<int>(exit_cause::none); ///< why the host ends it
  std::atomic<std::size_t> spawned_ = 0;
  std::chrono::nanoseconds unresponsive_after_{};

  reader_turn turn_; ///< guards what follows and the link's receiving side
  runtime::spinner spinner_;
  runtime::spinner leader_spinner_;
  std::atomic<std::uint32_t> leads_ = 0;      ///< wanted, in all
  std::atomic<std::uint32_t> slow_leads_ = 1; ///< since the last that was quick

  std::uint64_t seen_beat_ = 0;
  clock::time_point beat_since_{};
  clock::time_point next_look_{};

  std::mutex mutex_; ///< guards what follows
  std::condition_variable changed_;
  bool ready_ = false;
  std::optional<runtime::child_exit> early_exit_;
  bool closed_ = false; ///< takes no spawns
  failure end_;         ///< once closed
  bool over_ = false;
  std::uint64_t requests_ = 0;
  std::map<std::uint64_t, spawn_handler> waiting_;
  std::uint64_t timer_ = 0;
};

} // namespace bulkhead::actors
