#include "actors/wire/inbox.hpp"

namespace bulkhead::actors {

bool inbox::add(std::span<const std::byte> piece, const taker& take) {
  if (!open_) {
    if (piece.size() < sizeof header_)
      return false;
    std::memcpy(&header_, piece.data(), sizeof header_);
    // The length of the whole is bounded here, before any piece of it is kept.
    if (!plausible(header_))
      return false;
    const auto body = piece.subspan(sizeof header_);
    if (body.size() == header_.body_bytes)
      return take({header_, body});
    if (body.size() > header_.body_bytes)
      return false;
    body_.assign(body.begin(), body.end());
    open_ = true;
    return true;
  }
  if (piece.empty() || piece.size() > header_.body_bytes - body_.size())
    return false;
  body_.insert(body_.end(), piece.begin(), piece.end());
  if (body_.size() < header_.body_bytes)
    return true;
  open_ = false;
  const auto whole = std::move(body_);
  body_ = {};
  return take({header_, whole});
}

} // namespace bulkhead::actors
