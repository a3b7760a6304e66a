#include "tools/job/completions.hpp"

#include "runtime/system/bell.hpp"

namespace bulkhead::command {

completions::completions() : ready_(runtime::make_bell("eventfd")) {}

void completions::wake() noexcept { runtime::ring(ready_.get()); }

void completions::put(completion c) noexcept {
  const std::lock_guard lock{mutex_};
  // Who finds the queue empty wakes the reader; the others know that it is awake or will be.
  if (waiting_.outcomes.empty() && waiting_.events.empty())
    wake();
  waiting_.outcomes.push_back(std::move(c));
}

void completions::put(pool_event e) noexcept {
  const std::lock_guard lock{mutex_};
  if (waiting_.outcomes.empty() && waiting_.events.empty())
    wake();
  waiting_.events.push_back(std::move(e));
}

completions::batch completions::take() {
  const std::lock_guard lock{mutex_};
  runtime::hush(ready_.get());
  return std::exchange(waiting_, batch{});
}

void stage_sink::on_value(std::uint64_t item, std::span<const std::byte> result) noexcept {
  completion c{from_, item, std::nullopt, {}};
  c.result.append(result.data(), result.size());
  to_->put(std::move(c));
}

void stage_sink::on_failure(std::uint64_t item, failure&& f) noexcept {
  to_->put(completion{from_, item, std::move(f), {}});
}

} // namespace bulkhead::command
