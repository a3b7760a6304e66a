#pragma once

#include <bulkhead/pipe.hpp>

#include <chrono>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include <sys/types.h>

// Connections between processes that are no relatives, on one machine: Unix sockets with the
// kernel's word for who the peer is, and a key that both know.
namespace bulkhead {

/// The peer runs as another user, or does not know the key.
class authentication_error : public std::runtime_error {
public:
  using std::runtime_error::runtime_error;
};

/// A random key of 32 bytes, for both ends. Throws std::system_error.
std::string make_key();

namespace detail {

/// bulkhead::listener without the types of its connections.
class listening_socket {
public:
  listening_socket(const std::string& address, std::string key, int backlog);
  listening_socket(const listening_socket&) = delete;
  listening_socket& operator=(const listening_socket&) = delete;
  ~listening_socket();

  /// A connected peer that has not proved anything yet; null: none until the deadline. Throws
  /// config_error once closed.
  shared_descriptor next(time_point deadline) const;
  /// Returns when the peer has shown that it knows the key, and we have. Throws
  /// authentication_error, at the latest after five seconds.
  void authenticate(const shared_descriptor& peer) const;

  void close() noexcept;
  int fd() const noexcept { return socket_ ? socket_->fd() : -1; }
  const std::string& address() const noexcept { return address_; }

private:
  std::string address_;
  std::string key_;
  shared_descriptor socket_; ///< null: closed
  pid_t made_in_ = 0;        ///< a forked copy leaves the path alone
};

/// Throws pipe_closed where nobody listens, authentication_error, config_error, std::system_error.
shared_descriptor connect_to(const std::string& address, const std::string& key,
                             time_point deadline);

} // namespace detail

/// Waits for processes of the same user that connect() to its address. The address is a path of at
/// most 107 bytes, which is made with access for the user alone and removed with the listener, or
/// "@NAME", which is in no file system. Both ends prove by HMAC-SHA-256 of fresh random numbers
/// that they know the key, without sending it. Move-only; thread-safe but for close() and the
/// destructor. The key has 16 bytes or more.
///
///     bulkhead::listener door("/run/user/1000/answers", key);
///     auto peer = door.accept<int>();          // here
///     auto line = bulkhead::connect<int>("/run/user/1000/answers", key); // in another program
class listener {
public:
  /// Throws config_error for an address or key that cannot work, and where somebody listens there;
  /// std::system_error where the system refuses. A path that a dead listener has left is replaced.
  listener(const std::string& address, std::string key, int backlog = 64)
    : socket_(std::make_unique<detail::listening_socket>(address, std::move(key), backlog)) {}

  /// The next peer's connection; waits for it. Throws authentication_error for one that does not
  /// know the key or is another user's, after at most five seconds with it; then the next call
  /// takes the next one. T is what both ends send: the same type in both programs.
  template <class T>
  connection<T> accept() {
    return *accept_until<T>(detail::time_point::max());
  }
  /// Empty: nobody came in time.
  template <class T, class Rep, class Period>
  std::optional<connection<T>> accept(std::chrono::duration<Rep, Period> timeout) {
    return accept_until<T>(detail::deadline_after(detail::to_nanoseconds(timeout)));
  }

  /// Nobody can connect any more; accept() throws config_error. Connections stay.
  void close() noexcept { socket_->close(); }
  const std::string& address() const noexcept { return socket_->address(); }
  /// Readable when somebody waits to be accepted, for wait() and poll(2); -1: closed.
  int fd() const noexcept { return socket_->fd(); }

private:
  template <class T>
  std::optional<connection<T>> accept_until(detail::time_point deadline) {
    auto peer = socket_->next(deadline);
    if (!peer)
      return std::nullopt;
    socket_->authenticate(peer);
    return detail::connection_access::make<T>(std::move(peer));
  }

  std::unique_ptr<detail::listening_socket> socket_;
};

/// A connection to the listener at this address. Throws pipe_closed where nobody listens there,
/// authentication_error where one of the two does not know the key or is another user's,
/// timeout_error where the listener does not accept in time.
template <class T, class Rep = std::int64_t, class Period = std::ratio<1>>
connection<T> connect(const std::string& address, const std::string& key,
                      std::chrono::duration<Rep, Period> timeout = std::chrono::seconds{10}) {
  return detail::connection_access::make<T>(
    detail::connect_to(address, key, detail::deadline_after(detail::to_nanoseconds(timeout))));
}

} // namespace bulkhead
