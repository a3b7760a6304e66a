#pragma once

#include <bulkhead/detail/pool_core.hpp>

#include <atomic>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

namespace bulkhead::runtime {

/// start_method::eager: tasks run in the caller, through the same codec, and futures come back
/// ready. Limits and queue do not apply.
class eager_pool final : public detail::pool_core {
public:
  explicit eager_pool(pool_options options);

  bool submit(detail::work&& w, detail::admission how) override;
  bool wait(detail::event_latch& latch, detail::time_point deadline) override;
  bool cancel(detail::future_base& f, bool kill_running) override;
  bool cancel_all(const detail::task_sink& sink, bool kill_running) override;
  void call_back(std::function<void()> f) override;
  void expect_callbacks() override {}
  void call_back_locked(std::list<std::function<void()>>&& calls) noexcept override {
    for (auto& f : calls)
      call_back(std::move(f));
  }
  bool on_callback_thread() const noexcept override { return false; } // they run at once
  std::optional<double> running(const detail::task_sink&) override { return std::nullopt; }
  void cancel_pending() override {}
  bool is_open() override;
  std::size_t chunk_hint(const detail::task_sink& sink, std::size_t remaining) override;
  void close() override;
  bool join(detail::time_point deadline) override;
  void terminate() noexcept override;
  void resize(std::size_t workers) override;
  std::vector<worker_info> workers() override;
  pool_stats stats() override;
  std::vector<isolation_feature> isolation() override;
  int completion_fd() override;
  std::vector<std::uint64_t> completions() override;
  [[noreturn]] int room_fd() override;
  std::string last_output(std::size_t) override { return {}; }
  std::vector<task_growth> growth() override;
  const pool_options& options() const noexcept override { return options_; }
  std::vector<std::size_t> worker_ids() override { return {1}; }
  [[noreturn]] void look_on(std::shared_ptr<detail::onlooker> who) override;
  void look_away(const detail::onlooker&) noexcept override {}
  void tell_takes(bool) noexcept override {}
  std::vector<detail::running_task> running_tasks() override { return {}; }
  void tell_onlooker(const pool_event&) noexcept override {}

private:
  void run_initializer();
  void run_item(detail::work& w, std::uint32_t item, std::span<const std::byte> args);

  pool_options options_;
  std::mutex mutex_;
  pool_stats stats_;
  std::uint64_t next_task_ = 1;
  bool closed_ = false;
};

} // namespace bulkhead::runtime
