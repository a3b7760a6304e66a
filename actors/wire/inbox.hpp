#pragma once

#include "actors/wire/frame.hpp"

#include <functional>
#include <span>
#include <vector>

namespace bulkhead::actors {

/// Puts the pieces of one peer together to frames. The bytes are the peer's: nothing in them is
/// trusted, and memory grows with what has arrived, not with what a header promises.
class inbox {
public:
  using taker = std::function<bool(const frame&)>;

  /// Passes the frame that this piece completes, if any, to `take`. False: this is no frame, or
  /// `take` refused it.
  bool add(std::span<const std::byte> piece, const taker& take);

private:
  frame_header header_;
  std::vector<std::byte> body_;
  bool open_ = false;
};

} // namespace bulkhead::actors
