#pragma once

#include <bulkhead/options.hpp>

#include <cstdio>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace bulkhead::actors {

using event_handler = std::function<void(const pool_event&)>;

/// A handler that any thread may call and that does not wait: it leaves `f` to `owner->call_back`.
/// Empty where `f` is.
template <class Owner>
event_handler deferred(const std::shared_ptr<Owner>& owner, event_handler f) {
  if (!f)
    return {};
  return [weak = std::weak_ptr{owner}, f = std::move(f)](const pool_event& e) {
    if (const auto alive = weak.lock())
      alive->call_back([f, e] { f(e); });
  };
}

/// Events are news: where there is no memory or thread for one, it is lost and the rest goes on.
inline void tell(const event_handler& handler, event_kind kind, std::size_t worker, pid_t pid,
                 std::string_view text, const exit_status& exit = {}) noexcept {
  if (!handler)
    return;
  try {
    handler({kind, worker, pid, exit, std::string{text}, 0, {}});
  } catch (const std::exception& e) {
    std::fprintf(stderr, "bulkhead: an event is lost: %s\n", e.what());
  }
}

} // namespace bulkhead::actors
