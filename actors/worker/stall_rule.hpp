#pragma once

#include <chrono>
#include <cstddef>

namespace bulkhead::actors {

/// What a worker may do while frames wait to leave it, for room or for credit of its host. Up to a
/// bound it goes on. Beyond, its actors run a few behaviours at each pause, which bounds what they
/// add; it never comes to a stop, because what its peer waits for may be an answer of theirs. It
/// goes on to read, up to the same bound and then as slowly: two workers that flood each other make
/// room for each other. A pure step of state and time; not thread-safe.
class stall_rule {
public:
  using time_point = std::chrono::steady_clock::time_point;

  struct bounds {
    std::size_t frames = 65'536;
    std::size_t bytes = std::size_t{64} << 20;
    std::chrono::nanoseconds pause = std::chrono::milliseconds{1};
    std::size_t behaviors = 8; ///< at each pause
  };

  stall_rule() = default;
  explicit stall_rule(const bounds& limits) : limits_(limits) {}

  struct turn {
    std::size_t frames = 0;    ///< how many may be read
    std::size_t behaviors = 0; ///< how many may run
  };

  /// `usual`: what a turn is while nothing is overdrawn. The caller reads at most `frames` and says
  /// with did_read() how many it did.
  turn next(std::size_t waiting, std::size_t waiting_bytes, time_point now, const turn& usual) {
    stalled_ = waiting > limits_.frames || waiting_bytes > limits_.bytes;
    if (!stalled_) {
      read_ = 0;
      return usual;
    }
    const bool paused = now < resume_at_;
    if (!paused)
      resume_at_ = now + limits_.pause;
    const bool reads = read_ < limits_.frames || !paused;
    return {reads ? usual.frames : 0, paused ? 0 : limits_.behaviors};
  }
  void did_read(std::size_t frames) noexcept { read_ += stalled_ ? frames : 0; }

  bool stalled() const noexcept { return stalled_; }
  /// Whether the next turn before resume_at() may read.
  bool reads() const noexcept { return !stalled_ || read_ < limits_.frames; }
  time_point resume_at() const noexcept { return resume_at_; }

private:
  bounds limits_;
  bool stalled_ = false;
  std::size_t read_ = 0; ///< since the stall began
  time_point resume_at_ = time_point::min();
};

} // namespace bulkhead::actors
