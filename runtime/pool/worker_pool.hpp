#pragma once

#include "runtime/pool/watchman.hpp"
#include "runtime/workers/answers.hpp"
#include "runtime/workers/dispatcher.hpp"
#include "runtime/workers/leadership.hpp"
#include "runtime/workers/news.hpp"
#include "runtime/workers/outcomes.hpp"
#include "runtime/workers/pool_state.hpp"
#include "runtime/workers/task_queue.hpp"
#include "runtime/workers/workforce.hpp"

#include <bulkhead/detail/pool_core.hpp>

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace bulkhead::runtime {

/// The pool of worker processes or threads, as its callers see it. What it is made of, and who may
/// call whom, is said at pool_state.
class worker_pool final : public detail::pool_core {
public:
  explicit worker_pool(pool_options options);
  ~worker_pool() override;

  /// Makes the workers. Separate from the constructor because workers refer to the shared pool.
  void start();

  bool submit(detail::work&& w, detail::admission how) override;
  bool wait(detail::event_latch& latch, time_point deadline) override;
  bool cancel(detail::future_base& f, bool kill_running) override;
  bool cancel_all(const detail::task_sink& sink, bool kill_running) override;
  std::optional<double> running(const detail::task_sink& sink) override;
  void cancel_pending() override;
  void call_back(std::function<void()> f) override;
  void expect_callbacks() override;
  void call_back_locked(std::list<std::function<void()>>&& calls) noexcept override;
  bool on_callback_thread() const noexcept override;
  std::size_t chunk_hint(const detail::task_sink& sink, std::size_t remaining) override;

  bool is_open() override;
  void close() override;
  bool join(time_point deadline) override;
  void terminate() noexcept override;
  void resize(std::size_t workers) override;

  std::vector<worker_info> workers() override;
  pool_stats stats() override;
  std::vector<isolation_feature> isolation() override;
  int completion_fd() override;
  std::vector<std::uint64_t> completions() override;
  int room_fd() override;
  std::string last_output(std::size_t worker) override;
  std::vector<task_growth> growth() override;
  const pool_options& options() const noexcept override { return state_.options; }
  std::vector<std::size_t> worker_ids() override;
  void look_on(std::shared_ptr<detail::onlooker> who) override;
  void look_away(const detail::onlooker& who) noexcept override;
  void tell_takes(bool on) noexcept override { want_takes(on); }
  void hear_taken(std::uint64_t id) noexcept override;
  std::vector<detail::running_task> running_tasks() override;
  void tell_onlooker(const pool_event& event) noexcept override;

private:
  /// How a unit gets into the pool.
  enum class entry : std::uint8_t { queued, refused, by_caller };
  entry wait_for_room(pool_turn& turn, const unit& u, detail::admission how, time_point until)
    BULKHEAD_REQUIRES(pool_lock);
  entry enter_full(const unit& u) BULKHEAD_REQUIRES(pool_lock);
  void run_in_caller(pool_turn& turn, std::unique_ptr<unit> u) BULKHEAD_REQUIRES(pool_lock);
  bool lead(pool_turn& turn, const std::function<bool()>& done) BULKHEAD_REQUIRES(pool_lock);
  bool lead(pool_turn& turn, const std::function<bool()>& done, time_point deadline)
    BULKHEAD_REQUIRES(pool_lock);
  bool gather(detail::work& w);
  bool cancel_gathered(detail::future_base& f, bool kill_running) BULKHEAD_REQUIRES(pool_lock);
  bool cancel_sent(unit& u, detail::future_base& f, bool kill_running) BULKHEAD_REQUIRES(pool_lock);
  bool cancel_sent(worker_slot& slot, const detail::task_sink& sink, bool kill_running)
    BULKHEAD_REQUIRES(pool_lock);
  /// What is there already counts, where nobody else takes it.
  void catch_up() BULKHEAD_REQUIRES(pool_lock);
  void describe_task(worker_info& info, worker_slot& slot) BULKHEAD_REQUIRES(pool_lock);

  pool_state state_;
  news news_{state_};
  outcomes outcomes_{state_};
  task_queue queue_{state_, outcomes_};
  attempts attempts_{state_, queue_};
  dispatcher dispatcher_{state_, outcomes_, queue_};
  answers answers_{state_, outcomes_, attempts_, dispatcher_, news_};
  leadership leadership_{state_, answers_};
  workforce workforce_{state_,      outcomes_, queue_,      attempts_,
                       dispatcher_, answers_,  leadership_, news_};
  watchman watchman_{state_, queue_, dispatcher_, answers_, workforce_};
};

} // namespace bulkhead::runtime
