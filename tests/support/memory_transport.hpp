#pragma once

#include "actors/wire/transport.hpp"

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace bulkhead::tests {

/// Both ends of a channel in one process, for tests of the link layer without processes.
class memory_transport final : public actors::transport {
  struct side {
    std::deque<std::vector<std::byte>> pieces; ///< on their way to this side
    std::size_t bytes = 0;
    std::uint64_t pushed = 0; ///< by the other side
    std::uint64_t popped = 0;
    std::uint64_t granted = 0; ///< to this side
    std::uint64_t granted_bytes = 0;
    bool wants_wake = false;
    bool woken = false;
  };
  struct shared {
    std::mutex mutex;
    std::condition_variable bell;
    side sides[2];
    std::size_t capacity;
  };

public:
  using pair = std::pair<std::shared_ptr<memory_transport>, std::shared_ptr<memory_transport>>;

  static pair make(std::size_t capacity_bytes = 1 << 16) {
    auto s = std::make_shared<shared>();
    s->capacity = capacity_bytes;
    return {std::make_shared<memory_transport>(s, 0), std::make_shared<memory_transport>(s, 1)};
  }

  memory_transport(std::shared_ptr<shared> s, int own) : shared_(std::move(s)), own_(own) {}

  std::size_t max_piece() const noexcept override { return shared_->capacity / 4; }

  bool try_push(std::span<const std::byte> piece) override {
    std::lock_guard lock{shared_->mutex};
    auto& to = peer();
    if (to.bytes + piece.size() > shared_->capacity)
      return false;
    to.pieces.emplace_back(piece.begin(), piece.end());
    to.bytes += piece.size();
    ++to.pushed;
    shared_->bell.notify_all();
    return true;
  }
  void want_wake() noexcept override {
    std::lock_guard lock{shared_->mutex};
    self().wants_wake = true;
  }
  std::uint64_t pushed() const noexcept override {
    std::lock_guard lock{shared_->mutex};
    return shared_->sides[1 - own_].pushed;
  }
  std::uint64_t peer_popped() const noexcept override {
    std::lock_guard lock{shared_->mutex};
    return shared_->sides[1 - own_].popped;
  }
  bool pop(std::size_t limit, const taker& take, std::size_t& popped) override {
    for (popped = 0; popped < limit; ++popped) {
      std::vector<std::byte> piece;
      {
        std::lock_guard lock{shared_->mutex};
        if (self().pieces.empty())
          return true;
        piece = std::move(self().pieces.front());
        self().pieces.pop_front();
        self().bytes -= piece.size();
        ++self().popped;
        wake_peer();
      }
      take(piece);
    }
    return true;
  }
  void grant(std::uint64_t total, std::uint64_t bytes) noexcept override {
    std::lock_guard lock{shared_->mutex};
    peer().granted = std::max(peer().granted, total);
    peer().granted_bytes = std::max(peer().granted_bytes, bytes);
    wake_peer();
  }
  std::uint64_t granted() const noexcept override {
    std::lock_guard lock{shared_->mutex};
    return shared_->sides[own_].granted;
  }
  std::uint64_t granted_bytes() const noexcept override {
    std::lock_guard lock{shared_->mutex};
    return shared_->sides[own_].granted_bytes;
  }
  void wait(until what, time_point deadline) override {
    std::unique_lock lock{shared_->mutex};
    auto ready = [&] {
      return self().woken || (what == until::piece_or_wake && !self().pieces.empty());
    };
    if (deadline == time_point::max())
      shared_->bell.wait(lock, ready);
    else
      shared_->bell.wait_until(lock, deadline, ready);
    self().woken = false;
  }
  void wake() noexcept override {
    std::lock_guard lock{shared_->mutex};
    self().woken = true;
    shared_->bell.notify_all();
  }

  bool idle() const {
    std::lock_guard lock{shared_->mutex};
    return shared_->sides[own_].pieces.empty();
  }

private:
  side& self() { return shared_->sides[own_]; }
  side& peer() { return shared_->sides[1 - own_]; }
  void wake_peer() {
    if (std::exchange(peer().wants_wake, false)) {
      peer().woken = true;
      shared_->bell.notify_all();
    }
  }

  const std::shared_ptr<shared> shared_;
  const int own_;
};

} // namespace bulkhead::tests
