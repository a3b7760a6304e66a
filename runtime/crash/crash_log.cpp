#include "runtime/crash/crash_log.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>

namespace bulkhead::runtime {

namespace {

/// One writer at a time; a crash handler that interrupted a writer goes on after a bounded wait.
class log_turn {
public:
  log_turn() noexcept {
    // Acquire and release order the log's bytes between its writers.
    for (int i = 0; i < 10'000 && !mine_; ++i)
      mine_ = !busy.exchange(true, std::memory_order_acquire);
  }
  ~log_turn() {
    if (mine_)
      busy.store(false, std::memory_order_release);
  }
  log_turn(const log_turn&) = delete;
  log_turn& operator=(const log_turn&) = delete;

private:
  static constinit inline std::atomic<bool> busy{false};
  bool mine_ = false;
};

/// Drops the oldest lines until `bytes` more fit; returns what is still used.
std::size_t make_room(char* log, std::size_t used, std::size_t bytes) noexcept {
  if (used + bytes <= log_bytes)
    return used;
  auto drop = used + bytes - log_bytes;
  const auto* newline =
    static_cast<const char*>(std::memchr(log + drop - 1, '\n', used - drop + 1));
  if (newline != nullptr)
    drop = static_cast<std::size_t>(newline - log) + 1;
  std::memmove(log, log + drop, used - drop);
  return used - drop;
}

} // namespace

void record_log_line(flight_recorder& into, std::string_view line) noexcept {
  const log_turn turn;
  line = line.substr(0, log_bytes - 1);
  // Relaxed: only this process writes, and the host reads what is there at any moment.
  auto used = std::min<std::size_t>(into.log_end.load(std::memory_order_relaxed), log_bytes);
  used = make_room(into.log, used, line.size() + 1);
  std::memcpy(into.log + used, line.data(), line.size());
  into.log[used + line.size()] = '\n';
  // Relaxed: see above.
  into.log_end.store(static_cast<std::uint32_t>(used + line.size() + 1), std::memory_order_relaxed);
}

} // namespace bulkhead::runtime
