#pragma once

#include <bulkhead/options.hpp>

#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <string_view>

namespace bulkhead::runtime {

class callback_thread;

/// Hands the lines of workers to the user's function, on the pool's callback thread. It outlives
/// the pool where the output of a worker does.
class line_news : public std::enable_shared_from_this<line_news> {
public:
  line_news(std::function<void(const output_line&)> tell, callback_thread& on)
    : tell_(std::move(tell)), on_(&on) {}

  /// From any thread. Dropped and counted where too many wait already, or there is no memory.
  void heard(std::size_t worker, std::string_view line) noexcept;
  /// No further line is handed over; the callback thread may end.
  void end() noexcept;

private:
  void hand_over(output_line line);
  void take_turn(const output_line& line);

  static constexpr std::size_t most_waiting = 4096;

  const std::function<void(const output_line&)> tell_;
  std::mutex mutex_;
  callback_thread* on_; ///< null: it has ended. Guarded by mutex_, as what follows
  std::size_t waiting_ = 0;
  std::size_t dropped_ = 0;
};

} // namespace bulkhead::runtime
