#pragma once

#include "engine/courier/courier.hpp"
#include "engine/submitter/submitter.hpp"
#include "runtime/system/unique_fd.hpp"
#include "runtime/this_process/callback_thread.hpp"

#include <bulkhead/detail/pool_core.hpp>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

namespace bulkhead::engine {

/// A pool whose tasks run on the nodes of a RabbitMQ queue. One thread of its own talks to the
/// courier; all that is decided is the submitter's, under one lock.
class engine_pool final : public detail::pool_core {
public:
  engine_pool(const rabbitmq& engine, pool_options options);
  ~engine_pool() override;

  /// Returns when the broker has taken the pool. Throws pool_broken where it cannot be reached.
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
  std::string last_output(std::size_t) override { return {}; }
  std::vector<task_growth> growth() override;
  const pool_options& options() const noexcept override { return options_; }
  std::vector<std::size_t> worker_ids() override;
  void look_on(std::shared_ptr<detail::onlooker> who) override;
  void look_away(const detail::onlooker&) noexcept override {}
  void tell_takes(bool) noexcept override {}
  std::vector<detail::running_task> running_tasks() override { return {}; }
  void tell_onlooker(const pool_event&) noexcept override {}

private:
  submitter_ports ports();
  void check_work(const detail::work& w) const;
  void check_open() const;
  bool wait_for_room(std::unique_lock<std::mutex>& lock, const detail::work& w,
                     detail::admission how);
  void wake() noexcept;
  void run();
  void connect();
  void sleep();
  void turn();
  void on_packet(const packet& p, time_point now);
  void tell_connection(std::string text);

  pool_options options_;
  const std::uint64_t owner_;
  std::string name_; ///< of the own queue
  runtime::unique_fd bell_;
  std::thread thread_;

  std::mutex mutex_; ///< guards all below but what is the thread's own
  std::condition_variable changed_;
  submitter submitter_;
  courier courier_;
  bool started_ = false; ///< was connected once
  bool closed_ = false;
  bool terminated_ = false;
  bool stop_ = false;
  std::string broken_;
  bool asleep_ = false;
  bool was_up_ = false;
  runtime::unique_fd completion_bell_;
  std::vector<std::uint64_t> completions_;
  runtime::callback_thread callbacks_;
};

} // namespace bulkhead::engine
