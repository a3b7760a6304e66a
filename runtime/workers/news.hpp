#pragma once

#include "runtime/this_process/callback_thread.hpp"
#include "runtime/this_process/line_news.hpp"
#include "runtime/workers/pool_state.hpp"

#include <bulkhead/options.hpp>

#include <memory>
#include <string>
#include <string_view>

namespace bulkhead::runtime {

/// What a pool tells: events to its user's callback, the failures of tasks whose worker died, the
/// texts of deaths.
class news {
public:
  explicit news(pool_state& pool)
    : pool_(pool), options_(pool.options),
      lines_(options_.on_output ? std::make_shared<line_news>(options_.on_output, *callbacks_)
                                : nullptr) {}

  /// News only: where there is no memory for one, the pool goes on without it.
  void tell(event_kind kind, const worker_slot& slot, const exit_status& exit,
            std::string_view text, std::string_view more = {}) noexcept
    BULKHEAD_REQUIRES(pool_lock);
  /// The same with the text of its end.
  void tell_end(event_kind kind, const worker_slot& slot, const exit_status& exit) noexcept
    BULKHEAD_REQUIRES(pool_lock);
  void tell_broken(const std::string& text) noexcept BULKHEAD_REQUIRES(pool_lock);

  /// "was killed by SIGSEGV (...) in its initializer; it said: ...", without its name.
  std::string end_of(const worker_slot& slot, const exit_status& status) const;
  /// Of the task that the worker ran when it died. Slow: the symbols of a backtrace.
  failure death_failure(const worker_slot& slot, const exit_status& status) const noexcept;

  callback_thread& callbacks() noexcept { return *callbacks_; }
  const callback_thread& callbacks() const noexcept { return *callbacks_; }
  /// What hears the lines of workers; null: nobody asked for them.
  const std::shared_ptr<line_news>& lines() const noexcept { return lines_; }
  /// No line is told any more; before the callback thread ends.
  void end_lines() noexcept {
    if (lines_)
      lines_->end();
  }
  /// In a forked copy of the process its thread does not exist.
  void forget_thread() noexcept { static_cast<void>(callbacks_.release()); }

private:
  bool is_heard() const noexcept BULKHEAD_REQUIRES(pool_lock) {
    return options_.on_event || pool_.onlooker;
  }
  void call(pool_event event) noexcept BULKHEAD_REQUIRES(pool_lock);
  void describe(failure& f, const worker_slot& slot) const;

  pool_state& pool_;
  const pool_options& options_;
  std::unique_ptr<callback_thread> callbacks_ = std::make_unique<callback_thread>();
  std::shared_ptr<line_news> lines_;
};

} // namespace bulkhead::runtime
