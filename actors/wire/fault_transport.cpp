#include "actors/wire/fault_transport.hpp"

#include "actors/wire/frame.hpp"

#include <bulkhead/testing/faults.hpp>

#include <atomic>
#include <mutex>
#include <random>
#include <thread>
#include <vector>

namespace bulkhead {

namespace {

struct wanted_faults {
  std::mutex mutex;
  testing::channel_faults now;
  std::uint64_t channels = 0; ///< each has a stream of its own
};

wanted_faults& wanted() {
  static auto& only = *new wanted_faults;
  return only;
}

} // namespace

namespace testing {

void inject(const channel_faults& faults) {
  auto& w = wanted();
  const std::lock_guard lock{w.mutex};
  w.now = faults;
  w.channels = 0;
}

} // namespace testing

namespace actors {

namespace {

/// Draws a fate for each whole message frame; everything else passes as it is.
class fault_transport final : public transport {
public:
  fault_transport(std::shared_ptr<transport> io, const testing::channel_faults& faults,
                  std::uint64_t channel)
    : io_(std::move(io)), faults_(faults), out_(faults.seed * 2 + channel),
      in_(faults.seed * 2 + channel + 1) {}

  std::size_t max_piece() const noexcept override { return io_->max_piece(); }
  bool try_push(std::span<const std::byte> piece) override {
    if (is_message(piece) && drawn(out_, faults_.drop)) {
      lost_.fetch_add(1, std::memory_order_relaxed); // a count
      return true;
    }
    if (is_message(piece) && drawn(out_, faults_.delay))
      std::this_thread::sleep_for(std::chrono::milliseconds{2});
    return io_->try_push(piece);
  }
  void want_wake() noexcept override { io_->want_wake(); }
  std::uint64_t pushed() const noexcept override { return io_->pushed() + lost_; }
  // What was lost counts as seen: nobody may conclude that it was not.
  std::uint64_t peer_popped() const noexcept override { return io_->peer_popped() + lost_; }
  bool pop(std::size_t limit, const taker& take, std::size_t& popped) override {
    return io_->pop(
      limit,
      [&](std::span<const std::byte> piece) {
        if (!is_message(piece) || !drawn(in_, faults_.corrupt)) {
          take(piece);
          return;
        }
        std::vector<std::byte> wrong(piece.begin(), piece.end());
        wrong[1] ^= std::byte{0x40};
        take(wrong);
      },
      popped);
  }
  void grant(std::uint64_t total, std::uint64_t bytes) noexcept override {
    io_->grant(total, bytes);
  }
  std::uint64_t granted() const noexcept override { return io_->granted(); }
  std::uint64_t granted_bytes() const noexcept override { return io_->granted_bytes(); }
  void wait(until what, time_point deadline) override { io_->wait(what, deadline); }
  void wake() noexcept override { io_->wake(); }

private:
  static bool is_message(std::span<const std::byte> piece) {
    frame_header h;
    if (piece.size() < sizeof h)
      return false;
    std::memcpy(&h, piece.data(), sizeof h);
    return plausible(h) && h.kind == static_cast<std::uint8_t>(frame_kind::message)
           && h.body_bytes == piece.size() - sizeof h;
  }
  static bool drawn(std::mt19937_64& source, double probability) {
    return probability > 0 && std::uniform_real_distribution{0.0, 1.0}(source) < probability;
  }

  const std::shared_ptr<transport> io_;
  const testing::channel_faults faults_;
  std::mt19937_64 out_; ///< the pusher's
  std::mt19937_64 in_;  ///< the popper's
  std::atomic<std::uint64_t> lost_ = 0;
};

} // namespace

std::shared_ptr<transport> with_faults(std::shared_ptr<transport> io) {
  auto& w = wanted();
  const std::lock_guard lock{w.mutex};
  if (w.now.drop <= 0 && w.now.delay <= 0 && w.now.corrupt <= 0)
    return io;
  return std::make_shared<fault_transport>(std::move(io), w.now, 1000 * ++w.channels);
}

} // namespace actors

} // namespace bulkhead
