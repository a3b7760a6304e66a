#pragma once

#include "runtime/dispatch/retry_rule.hpp"

#include <bulkhead/detail/task_sink.hpp>
#include <bulkhead/failure.hpp>
#include <bulkhead/options.hpp>

#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <thread>

namespace bulkhead::runtime {

/// What became of an item that ran in this thread.
struct ran_here {
  detail::buffer result;
  std::optional<failure> failed;
};

/// Calls the function of a unit of work with the arguments of one item, through the codec as a
/// worker does. No limit applies, and nothing is isolated.
ran_here run_here(const detail::function_ref& stub, const detail::buffer& body,
                  std::uint32_t callable_bytes, std::span<const std::byte> args);

/// The same, again as often and as late as the options say after a failure; `again` is called
/// before each further attempt. Work is a detail::work or a unit.
template <class Work, class Again>
ran_here run_attempts(const Work& w, std::span<const std::byte> args, const pool_options& of_pool,
                      Again&& again) {
  const auto most = retries_of(w.options.get(), of_pool);
  const auto& policy = policy_of(w.options.get(), of_pool);
  auto ran = run_here(w.stub, w.body, w.callable_bytes, args);
  for (std::uint32_t attempt = 2;
       ran.failed && attempt - 1 <= most && may_follow(policy, *ran.failed); ++attempt) {
    std::this_thread::sleep_for(pause_before(policy, attempt));
    again();
    ran = run_here(w.stub, w.body, w.callable_bytes, args);
  }
  return ran;
}

/// Gives the sink a value.
void deliver(detail::task_sink& sink, std::uint64_t item, detail::buffer&& result) noexcept;

/// Calls `f(item, its arguments)` for each item of a detail::work or a unit.
template <class Work, class F>
void for_each_item(const Work& w, F&& f) {
  auto rest = w.body.bytes().subspan(w.callable_bytes);
  for (std::uint32_t i = 0; i < w.items; ++i) {
    auto length = w.item_bytes;
    if (length == detail::varying_bytes) {
      std::memcpy(&length, rest.data(), sizeof length);
      rest = rest.subspan(sizeof length);
    }
    f(i, rest.first(length));
    rest = rest.subspan(length);
  }
}

} // namespace bulkhead::runtime
