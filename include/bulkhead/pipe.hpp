#pragma once

#include <bulkhead/descriptor.hpp>
#include <bulkhead/detail/codec.hpp>
#include <bulkhead/detail/duration.hpp>

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <utility>
#include <vector>

namespace bulkhead {

/// Nobody holds the other end of the pipe any more.
class pipe_closed : public std::runtime_error {
public:
  using std::runtime_error::runtime_error;
};

namespace detail {

struct connection_access;
struct pipe_end;

/// bulkhead::connection without its type.
class connection_base {
public:
  enum class direction : std::uint8_t { both, receive, send };

  void close() noexcept { end_.reset(); }
  int fd() const noexcept;
  bool poll(time_point deadline);

protected:
  connection_base() noexcept = default;
  connection_base(shared_descriptor socket, direction way);

  /// Throws pipe_closed, config_error.
  void send(const buffer& message);
  /// False: no whole message until the deadline. Throws pipe_closed, config_error, codec_error for
  /// what no sender of this library wrote.
  bool receive(buffer& message, time_point deadline);

  void write(buffer& out) const;
  static connection_base read(reader& in);

private:
  friend struct connection_access;
  pipe_end& end() const;
  friend std::pair<connection_base, connection_base> make_pipe_ends(bool duplex);

  std::shared_ptr<pipe_end> end_;
};

/// Throws std::system_error.
std::pair<connection_base, connection_base> make_pipe_ends(bool duplex);

} // namespace detail

/// One end of a pipe; it travels, and so does what it carries: T is any value that can travel,
/// pipes, queues, locks and descriptors included. Messages are whole or not at all, of any size,
/// and come in the order in which one sender sent them; a sender that is killed in the middle of
/// one leaves nothing of it behind. Copies are the same end. When the last copy of an end in any
/// process is gone, closed or killed with its process, the other end learns it: keep no copy of
/// what was given away. Thread-safe; several processes may send through one end, and several may
/// receive where no message has more than 32 KiB.
template <class T>
class connection : private detail::connection_base {
public:
  /// None: every call but close() and fd() throws config_error.
  connection() noexcept = default;

  /// Waits while the pipe is full. Throws pipe_closed where the other end is gone, codec_error
  /// where the value cannot travel, config_error at the receiving end of a simplex pipe.
  void send(const T& value) {
    detail::buffer bytes;
    detail::encode(bytes, value);
    connection_base::send(bytes);
  }

  /// The next message; waits for it. Throws pipe_closed where the other end is gone and all is
  /// read, config_error at the sending end of a simplex pipe.
  T recv() {
    detail::buffer message;
    connection_base::receive(message, detail::time_point::max());
    return value_of(message);
  }
  /// Empty: none came in time. What came of it in part is kept for the next call.
  template <class Rep, class Period>
  std::optional<T> recv(std::chrono::duration<Rep, Period> timeout) {
    return take(detail::deadline_after(detail::to_nanoseconds(timeout)));
  }
  std::optional<T> try_recv() { return take(std::chrono::steady_clock::now()); }

  /// Whether recv() has something to read or would throw pipe_closed; waits at most so long.
  template <class Rep, class Period>
  bool poll(std::chrono::duration<Rep, Period> timeout) {
    return connection_base::poll(detail::deadline_after(detail::to_nanoseconds(timeout)));
  }

  /// Bytes as they are, as one message; only for recv_bytes().
  void send_bytes(std::span<const std::byte> bytes) {
    detail::buffer message;
    message.append(bytes.data(), bytes.size());
    connection_base::send(message);
  }
  std::vector<std::byte> recv_bytes() {
    detail::buffer message;
    connection_base::receive(message, detail::time_point::max());
    return {message.data(), message.data() + message.size()};
  }

  /// Gives this copy up.
  void close() noexcept { connection_base::close(); }
  /// The socket, borrowed, to be polled with others: readable as poll() says. -1: none.
  int fd() const noexcept { return connection_base::fd(); }

private:
  friend struct detail::coder<connection>;
  friend struct detail::connection_access;
  template <class U>
  friend std::pair<connection<U>, connection<U>> make_pipe(bool duplex);

  explicit connection(detail::connection_base base) noexcept : connection_base(std::move(base)) {}

  std::optional<T> take(detail::time_point deadline) {
    detail::buffer message;
    if (!connection_base::receive(message, deadline))
      return std::nullopt;
    return value_of(message);
  }

  static T value_of(const detail::buffer& message) {
    detail::reader in{message.bytes()};
    in.bring(message.descriptors());
    T value{detail::decode<T>(in)};
    in.expect_end();
    return value;
  }
};

/// A pipe: two connections, each of which sends to the other. With `duplex` false the first only
/// receives and the second only sends. Throws std::system_error where the process has no free
/// descriptors.
///
///     auto [ours, theirs] = bulkhead::make_pipe<std::string>();
///     bulkhead::process child(work, theirs);
///     child.start();
///     theirs.close(); // so that recv() learns when the child is gone
template <class T>
std::pair<connection<T>, connection<T>> make_pipe(bool duplex = true) {
  auto ends = detail::make_pipe_ends(duplex);
  return {connection<T>{std::move(ends.first)}, connection<T>{std::move(ends.second)}};
}

namespace detail {

/// What coders and listeners may do with connections, and users may not.
struct connection_access {
  static connection_base read(reader& in) { return connection_base::read(in); }
  /// Of a connected SOCK_SEQPACKET socket.
  template <class T>
  static connection<T> make(shared_descriptor socket) {
    return connection<T>{connection_base{std::move(socket), connection_base::direction::both}};
  }
};

template <class T>
struct coder<connection<T>> {
  static constexpr bool supported = true;
  static constexpr std::size_t least_bytes = coder<shared_descriptor>::least_bytes;
  static void write(buffer& out, const connection<T>& value) { value.write(out); }
  static connection<T> read(reader& in) { return connection<T>{connection_access::read(in)}; }
};

} // namespace detail

} // namespace bulkhead
