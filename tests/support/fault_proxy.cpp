#include "tests/support/fault_proxy.hpp"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <stdexcept>

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

namespace bulkhead::testing {

namespace {

sockaddr_in loopback(int port) {
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_port = htons(static_cast<std::uint16_t>(port));
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return at;
}

/// Where frames end in a stream of AMQP 0-9-1: a head of seven bytes that has the payload's length,
/// the payload, one byte.
class frame_counter {
public:
  explicit frame_counter(bool has_greeting) : left_(has_greeting ? 8 : 0) {}

  /// How many of these bytes go until the frame that is on its way is whole; all of them where it
  /// is not yet. `whole` says which.
  std::size_t next(const unsigned char* bytes, std::size_t size, bool& whole) {
    std::size_t used = 0;
    whole = false;
    while (used < size && !whole) {
      if (left_ != 0) {
        const auto step = std::min(left_, size - used);
        used += step;
        left_ -= step;
        whole = left_ == 0;
        continue;
      }
      head_[have_++] = bytes[used++];
      if (have_ < head_.size())
        continue;
      have_ = 0;
      std::uint32_t length = 0;
      std::memcpy(&length, head_.data() + 3, sizeof length);
      left_ = std::size_t{ntohl(length)} + 1;
    }
    return used;
  }

private:
  std::array<unsigned char, 7> head_{};
  std::size_t have_ = 0;
  std::size_t left_;
};

bool send_all(int to, const unsigned char* bytes, std::size_t size) {
  while (size != 0) {
    const auto sent = ::send(to, bytes, size, MSG_NOSIGNAL);
    if (sent <= 0)
      return false;
    bytes += sent;
    size -= static_cast<std::size_t>(sent);
  }
  return true;
}

void reset_and_close(int& s) {
  const linger now{1, 0};
  ::setsockopt(s, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  ::close(s);
  s = -1;
}

} // namespace

struct fault_proxy::link {
  int ends[2] = {-1, -1}; ///< the client's, the broker's
  frame_counter counters[2] = {frame_counter{true}, frame_counter{false}};
  std::uint64_t frames = 0;
  std::uint64_t limit = 0;
};

fault_proxy::fault_proxy(int broker_port) : broker_port_(broker_port) {
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  auto at = loopback(0);
  socklen_t size = sizeof at;
  if (::bind(listener_, reinterpret_cast<sockaddr*>(&at), size) != 0 || ::listen(listener_, 64) != 0
      || ::getsockname(listener_, reinterpret_cast<sockaddr*>(&at), &size) != 0
      || ::pipe2(stop_, O_CLOEXEC) != 0)
    throw std::runtime_error("a proxy cannot listen");
  port_ = ntohs(at.sin_port);
  thread_ = std::thread([this] { run(); });
}

fault_proxy::~fault_proxy() {
  ::close(stop_[1]);
  thread_.join();
  for (auto& l : links_)
    abort(*l);
  ::close(stop_[0]);
  ::close(listener_);
}

std::string fault_proxy::url() const {
  return "amqp://guest:guest@127.0.0.1:" + std::to_string(port_) + "/%2f";
}

void fault_proxy::cut(bool to_broker, bool from_broker) {
  cut_[0].store(to_broker);
  cut_[1].store(from_broker);
}

void fault_proxy::run() {
  std::uint64_t seen = 0;
  while (true) {
    std::vector<pollfd> watched{{stop_[0], POLLIN, 0}, {listener_, POLLIN, 0}};
    for (const auto& l : links_)
      for (int from = 0; from < 2; ++from) {
        const bool passes = !cut_[from].load();
        watched.push_back({passes ? l->ends[from] : -1, POLLIN, 0});
      }
    ::poll(watched.data(), watched.size(), 20); // orders come without a bell
    if (watched[0].revents != 0)
      return;
    if (const auto now = resets_.load(); now != seen) {
      seen = now;
      for (auto& l : links_)
        abort(*l);
    }
    for (std::size_t i = 0; i < links_.size(); ++i)
      for (int from = 0; from < 2; ++from)
        if (watched[2 + 2 * i + static_cast<std::size_t>(from)].revents != 0)
          carry(*links_[i], from);
    for (auto& l : links_)
      if (l->ends[0] < 0 && l->limit != 0)
        limited_.fetch_sub(1);
    std::erase_if(links_, [](const auto& l) { return l->ends[0] < 0; });
    if (watched[1].revents != 0)
      accept();
  }
}

void fault_proxy::accept() {
  auto l = std::make_unique<link>();
  l->ends[0] = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
  l->ends[1] = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const auto at = loopback(broker_port_);
  if (l->ends[0] < 0
      || ::connect(l->ends[1], reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0)
    return abort(*l);
  const timeval patience{10, 0}; // for an end that reads nothing
  for (const int s : l->ends)
    ::setsockopt(s, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  limited_.fetch_add(next_limit_.load() != 0 ? 1 : 0); // before the order is gone: see has_reset
  l->limit = next_limit_.exchange(0);
  links_.push_back(std::move(l));
}

void fault_proxy::carry(link& l, int from) {
  if (l.ends[from] < 0)
    return;
  std::array<unsigned char, 65'536> bytes;
  const auto got = ::recv(l.ends[from], bytes.data(), bytes.size(), MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR))
    return;
  if (got <= 0)
    return abort(l);
  std::size_t used = 0;
  while (used < static_cast<std::size_t>(got) && (l.limit == 0 || l.frames < l.limit)) {
    bool whole = false;
    used += l.counters[from].next(bytes.data() + used, static_cast<std::size_t>(got) - used, whole);
    l.frames += whole ? 1 : 0;
  }
  if (!send_all(l.ends[1 - from], bytes.data(), used) || (l.limit != 0 && l.frames >= l.limit))
    abort(l);
}

void fault_proxy::abort(link& l) {
  for (int& s : l.ends)
    if (s >= 0)
      reset_and_close(s);
}

} // namespace bulkhead::testing
