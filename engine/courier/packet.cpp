#include "engine/courier/packet.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <utility>

#include <fcntl.h>

// Between the host and its courier, over a socket: a head with the lengths, then a name and a
// body. What is written is gathered and goes out together.
namespace bulkhead::engine {

namespace {

constexpr std::size_t read_at_once = std::size_t{256} << 10;
constexpr std::size_t most_unread = std::size_t{4} << 20;

} // namespace

packet_stream::packet_stream(runtime::unique_fd socket) : socket_(std::move(socket)) {
  if (socket_)
    ::fcntl(socket_.get(), F_SETFL, O_NONBLOCK);
}

void packet_stream::put(packet_kind kind, std::uint64_t number, std::string_view name,
                        std::span<const std::byte> body) {
  packet_head head;
  head.body_bytes = static_cast<std::uint32_t>(body.size());
  head.name_bytes = static_cast<std::uint16_t>(name.size());
  head.kind = kind;
  head.number = number;
  if (sent_ != 0 && sent_ >= out_.size() / 2) {
    out_.erase(out_.begin(), out_.begin() + static_cast<std::ptrdiff_t>(sent_));
    sent_ = 0;
  }
  const auto at = out_.size();
  out_.resize(at + sizeof head + name.size() + body.size());
  std::memcpy(out_.data() + at, &head, sizeof head);
  if (!name.empty())
    std::memcpy(out_.data() + at + sizeof head, name.data(), name.size());
  if (!body.empty())
    std::memcpy(out_.data() + at + sizeof head + name.size(), body.data(), body.size());
}

bool packet_stream::flush() noexcept {
  while (pending() != 0) {
    const auto sent = ::send(socket_.get(), out_.data() + sent_, pending(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR)
      continue;
    if (sent < 0)
      return errno == EAGAIN;
    sent_ += static_cast<std::size_t>(sent);
  }
  out_.clear();
  sent_ = 0;
  if (out_.capacity() > most_unread)
    out_.shrink_to_fit();
  return true;
}

bool packet_stream::fill() {
  while (end_ - begin_ < std::max(most_unread, wanted_)) {
    if (in_.size() - end_ < read_at_once) {
      std::memmove(in_.data(), in_.data() + begin_, end_ - begin_);
      end_ -= std::exchange(begin_, 0);
      in_.resize(std::max(in_.size(), end_ + read_at_once));
    }
    const auto got = ::recv(socket_.get(), in_.data() + end_, in_.size() - end_, 0);
    if (got < 0 && errno == EINTR)
      continue;
    if (got <= 0)
      return got < 0 && errno == EAGAIN;
    end_ += static_cast<std::size_t>(got);
  }
  return true;
}

bool packet_stream::next(packet& p) {
  packet_head head;
  if (end_ - begin_ < sizeof head)
    return false;
  std::memcpy(&head, in_.data() + begin_, sizeof head);
  if (head.kind > packet_kind::failed || head.body_bytes > most_body)
    throw std::runtime_error("the courier of the engine sent what is no packet");
  const auto whole = sizeof head + head.name_bytes + head.body_bytes;
  if (end_ - begin_ < whole) {
    wanted_ = whole;
    return false;
  }
  wanted_ = 0;
  const auto* at = in_.data() + begin_ + sizeof head;
  p.kind = head.kind;
  p.number = head.number;
  p.name = {reinterpret_cast<const char*>(at), head.name_bytes};
  p.body = {at + head.name_bytes, head.body_bytes};
  begin_ += whole;
  return true;
}

} // namespace bulkhead::engine
