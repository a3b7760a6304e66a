#include "runtime/this_process/callback_thread.hpp"

#include <bulkhead/detail/future_base.hpp>
#include <bulkhead/detail/future_core.hpp>
#include <bulkhead/error.hpp>

#include <cstdio>
#include <exception>
#include <memory>
#include <utility>

// Futures whose outcome no worker sends.
namespace bulkhead::detail {

namespace {

class promise_core final : public future_core {
public:
  ~promise_core() override {
    if (!is_of_own_process())
      static_cast<void>(callbacks_.release()); // its thread does not exist here
  }

  bool wait(event_latch& latch, time_point deadline) override {
    if (!latch.ready())
      require_own_process();
    return latch.wait_until(deadline);
  }
  bool cancel(future_base&, bool) override { return false; } // held_state knows
  std::optional<double> running(const task_sink&) override { return std::nullopt; }
  void expect_callbacks() override {
    require_own_process();
    callbacks_->start();
  }
  void call_back(std::function<void()> f) override { callbacks_->run(std::move(f)); }
  // The thread runs since expect_callbacks.
  void call_back_locked(std::list<std::function<void()>>&& calls) noexcept override try {
    if (is_of_own_process())
      callbacks_->run(std::move(calls));
  } catch (const std::exception& e) {
    std::fprintf(stderr, "bulkhead: callbacks are lost: no thread for them: %s\n", e.what());
  }
  bool on_callback_thread() const noexcept override { return callbacks_->on_thread(); }

private:
  std::unique_ptr<runtime::callback_thread> callbacks_ =
    std::make_unique<runtime::callback_thread>();
};

/// Its outcomes are made in the callbacks of another core.
class follower_core final : public future_core {
public:
  explicit follower_core(std::shared_ptr<future_core> source) noexcept
    : source_(std::move(source)) {}

  bool wait(event_latch& latch, time_point deadline) override {
    if (latch.ready())
      return true;
    require_own_process();
    if (source_->on_callback_thread())
      throw config_error("a callback waits for what then() made of a future: that is made on the "
                         "same thread, after the callback; use then() or on_ready() there");
    return latch.wait_until(deadline);
  }
  bool cancel(future_base&, bool) override { return false; } // held_state knows
  std::optional<double> running(const task_sink&) override { return std::nullopt; }
  void expect_callbacks() override { source_->expect_callbacks(); }
  void call_back(std::function<void()> f) override { source_->call_back(std::move(f)); }
  void call_back_locked(std::list<std::function<void()>>&& calls) noexcept override {
    source_->call_back_locked(std::move(calls));
  }
  bool on_callback_thread() const noexcept override { return source_->on_callback_thread(); }

private:
  const std::shared_ptr<future_core> source_;
};

} // namespace

std::shared_ptr<future_core> make_promise_core() { return std::make_shared<promise_core>(); }

std::shared_ptr<future_core> make_follower_core(std::shared_ptr<future_core> source) {
  return std::make_shared<follower_core>(std::move(source));
}

} // namespace bulkhead::detail
