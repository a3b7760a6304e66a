#include <bulkhead/error.hpp>
#include <bulkhead/pipe.hpp>

#include "runtime/system/deadline.hpp"
#include "runtime/system/packet_socket.hpp"
#include "runtime/testing/hooks.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <map>
#include <mutex>
#include <random>
#include <system_error>
#include <utility>

// Messages between processes through a socket of packets. Any thread of any process that has the
// end may send or receive; each direction has a mutex for the threads of this process. Packets of
// several senders may mix, so each says whose it is and where it belongs.
namespace bulkhead::detail {

namespace packet_socket = runtime::packet_socket;

namespace {

/// A packet of a message; larger messages go in several.
constexpr std::size_t most_payload = 32 * 1024;

/// In front of each packet. What a dead sender began ends with the next message or the end.
struct packet_front {
  std::uint64_t sender;      ///< a random number for each handle that sends
  std::uint64_t message;     ///< counted by the sender
  std::uint64_t at;          ///< where in the message the payload belongs
  std::uint64_t whole;       ///< bytes of the message
  std::uint32_t descriptors; ///< with the first packet; their keys precede the payload
  std::uint32_t payload;
};
static_assert(sizeof(packet_front) == 40);

struct packet {
  packet_front front;
  std::array<std::byte, descriptor_list::most * sizeof(std::uint64_t) + most_payload> rest;
};

std::uint64_t random_number() {
  std::random_device device;
  return std::uint64_t{device()} << 32 | device();
}

[[noreturn]] void say_closed() {
  throw pipe_closed("the pipe is closed: no process holds its other end any more");
}

[[noreturn]] void say_no_pipe() {
  throw codec_error("what came through the pipe is no message of this library");
}

bool is_gone(int error) noexcept {
  return error == EPIPE || error == ECONNRESET || error == ENOTCONN;
}

} // namespace

struct pipe_end {
  /// A message that has come in part.
  struct partial {
    std::uint64_t message = 0;
    buffer bytes = {};
  };

  shared_descriptor socket;
  connection_base::direction way;
  std::mutex sending;
  std::uint64_t sender = random_number();
  std::uint64_t sent = 0;
  std::mutex receiving;
  std::map<std::uint64_t, partial> begun; ///< by sender
};

namespace {

void transmit(pipe_end& end, const packet_front& front, std::span<const std::byte> rest,
              std::span<const int> fds) {
  const auto error = packet_socket::send(end.socket->fd(), std::as_bytes(std::span{&front, 1}),
                                         rest, fds, time_point::max());
  if (is_gone(error))
    say_closed();
  if (error != 0)
    throw std::system_error(error, std::generic_category(), "sending through a pipe");
}

// The first packet brings the descriptors, their keys before the payload.
std::size_t transmit_first(pipe_end& end, packet_front front, const buffer& message) {
  static const auto& none = *new descriptor_list;
  const auto& list = message.descriptors() != nullptr ? *message.descriptors() : none;
  const auto count = std::min(message.size(), most_payload);
  front.descriptors = static_cast<std::uint32_t>(list.size());
  front.payload = static_cast<std::uint32_t>(count);
  buffer rest;
  const auto keys = list.keys();
  rest.append(keys.data(), keys.size() * sizeof keys[0]);
  rest.append(message.data(), count);
  transmit(end, front, rest.bytes(), list.fds());
  return count;
}

void take_descriptors(const packet& p, packet_socket::received& got, buffer& into) {
  descriptor_list list;
  for (std::size_t i = 0; i < got.fds.size(); ++i) {
    std::uint64_t key = 0;
    std::memcpy(&key, p.rest.data() + i * sizeof key, sizeof key);
    auto held = std::make_shared<open_descriptor>(got.fds[i].get());
    static_cast<void>(got.fds[i].release());
    list.add(key, std::move(held));
  }
  if (!list.empty())
    into.attach_all(&list);
}

/// Whether head, lengths and descriptors of a packet agree with each other.
bool is_whole(const packet& p, const packet_socket::received& got) noexcept {
  if (got.bytes < sizeof p.front)
    return false;
  const auto& f = p.front;
  const auto keys = got.fds.size() * sizeof(std::uint64_t);
  return f.descriptors == got.fds.size() && got.bytes == sizeof f + keys + f.payload
         && f.payload <= f.whole && f.at <= f.whole - f.payload;
}

/// Adds a packet to what its sender has begun. True: the message is whole and in `message`.
bool accept(pipe_end& end, const packet& p, packet_socket::received& got, buffer& message) {
  if (!is_whole(p, got))
    say_no_pipe();
  const auto& f = p.front;
  auto& begun = end.begun[f.sender];
  // A new message of this sender: what it had begun before can no longer be completed.
  if (f.at == 0)
    begun = pipe_end::partial{f.message};
  if (begun.message != f.message || begun.bytes.size() != f.at)
    return false; // another receiver has got its beginning
  const auto keys = got.fds.size() * sizeof(std::uint64_t);
  take_descriptors(p, got, begun.bytes);
  begun.bytes.append(p.rest.data() + keys, f.payload);
  if (begun.bytes.size() != f.whole)
    return false;
  message = std::move(begun.bytes);
  end.begun.erase(f.sender);
  return true;
}

} // namespace

connection_base::connection_base(shared_descriptor socket, direction way)
  : end_(new pipe_end{
    .socket = std::move(socket), .way = way, .sending = {}, .receiving = {}, .begun = {}}) {}

pipe_end& connection_base::end() const {
  if (!end_)
    throw config_error("connection: it is empty or closed; use one that make_pipe() returned");
  return *end_;
}

int connection_base::fd() const noexcept { return end_ ? end_->socket->fd() : -1; }

void connection_base::send(const buffer& message) {
  auto& e = end();
  if (e.way == direction::receive)
    throw config_error("connection: this end of a simplex pipe only receives; send through the "
                       "second of make_pipe(false)");
  const std::lock_guard lock{e.sending};
  packet_front front{e.sender, ++e.sent, 0, message.size(), 0, 0};
  auto done = transmit_first(e, front, message);
  while (done < message.size()) {
    BULKHEAD_HOOK("ipc.pipe_partly_sent");
    const auto part =
      message.bytes().subspan(done).first(std::min(most_payload, message.size() - done));
    front.at = done;
    front.payload = static_cast<std::uint32_t>(part.size());
    transmit(e, front, part, {});
    done += part.size();
  }
}

bool connection_base::receive(buffer& message, time_point deadline) {
  auto& e = end();
  if (e.way == direction::send)
    throw config_error("connection: this end of a simplex pipe only sends; receive from the first "
                       "of make_pipe(false)");
  const std::lock_guard lock{e.receiving};
  const auto p = std::make_unique_for_overwrite<packet>();
  for (bool reset = false;;) {
    auto got = packet_socket::receive(e.socket->fd(), std::as_writable_bytes(std::span{p.get(), 1}),
                                      deadline);
    if (got.error == ETIMEDOUT)
      return false;
    // Once: the peer went with something unread, and the kernel says so before what it had sent.
    if (got.error == ECONNRESET && !std::exchange(reset, true))
      continue;
    if (is_gone(got.error))
      say_closed();
    if (got.error != 0)
      throw std::system_error(got.error, std::generic_category(), "receiving from a pipe");
    if (accept(e, *p, got, message))
      return true;
  }
}

bool connection_base::poll(time_point deadline) {
  return runtime::wait_for(end().socket->fd(), POLLIN, deadline) == 0;
}

void connection_base::write(buffer& out) const {
  coder<shared_descriptor>::write(out, end_ ? end_->socket : nullptr);
  coder<std::uint8_t>::write(out, end_ ? static_cast<std::uint8_t>(end_->way) : 0);
}

connection_base connection_base::read(reader& in) {
  auto socket = coder<shared_descriptor>::read(in);
  const auto way = coder<std::uint8_t>::read(in);
  if (!socket)
    return {};
  if (way > static_cast<std::uint8_t>(direction::send))
    say_no_pipe();
  return {std::move(socket), static_cast<direction>(way)};
}

std::pair<connection_base, connection_base> make_pipe_ends(bool duplex) {
  using direction = connection_base::direction;
  std::array<int, 2> fds{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds.data()) != 0)
    throw std::system_error(errno, std::generic_category(), "socketpair for a pipe");
  auto first = std::make_shared<open_descriptor>(fds[0]);
  auto second = std::make_shared<open_descriptor>(fds[1]);
  return {connection_base{std::move(first), duplex ? direction::both : direction::receive},
          connection_base{std::move(second), duplex ? direction::both : direction::send}};
}

} // namespace bulkhead::detail
