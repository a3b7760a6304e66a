#include <bulkhead/error.hpp>
#include <bulkhead/listener.hpp>

#include "runtime/ipc/handshake.hpp"
#include "runtime/ipc/unix_address.hpp"
#include "runtime/system/deadline.hpp"
#include "runtime/system/descriptors.hpp"
#include "runtime/system/unique_fd.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

namespace bulkhead::detail {

namespace {

using runtime::unique_fd;
using runtime::unix_address;

/// For one peer: who connects and says nothing must not keep others out for long.
constexpr std::chrono::seconds handshake_takes{5};

[[noreturn]] void say_refused(const std::string& what) {
  throw std::system_error(errno, std::generic_category(), what);
}

unique_fd new_socket(const std::string& address) {
  auto made = runtime::above_stdio(
    unique_fd{::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)});
  if (!made)
    say_refused("a socket for " + address);
  return made;
}

shared_descriptor shared(unique_fd fd) {
  auto held = std::make_shared<const open_descriptor>(fd.get());
  static_cast<void>(fd.release());
  return held;
}

int try_connect(int socket, const unix_address& to) {
  for (;;) {
    if (::connect(socket, to.get(), to.size()) == 0)
      return 0;
    if (errno != EINTR)
      return errno;
  }
}

/// Removes what a listener that was killed has left; what somebody still listens at stays.
void remove_remains(const unix_address& at, const std::string& address) {
  struct stat found {};
  if (!at.is_path() || ::lstat(at.path(), &found) != 0)
    return;
  if (!S_ISSOCK(found.st_mode))
    throw config_error("the address " + address + " is a file that is no socket; choose another");
  const auto probe = new_socket(address);
  if (try_connect(probe.get(), at) == ECONNREFUSED)
    ::unlink(at.path());
}

} // namespace

listening_socket::listening_socket(const std::string& address, std::string key, int backlog)
  : address_(address), key_(std::move(key)) {
  runtime::check_key(key_);
  if (backlog < 1)
    throw config_error("the backlog of a listener is " + std::to_string(backlog)
                       + "; allowed: 1 or more");
  const unix_address at{address};
  remove_remains(at, address);
  auto made = new_socket(address);
  ::fchmod(made.get(), S_IRUSR | S_IWUSR); // before bind: the path comes to be with this mode
  if (::bind(made.get(), at.get(), at.size()) != 0) {
    if (errno == EADDRINUSE)
      throw config_error("the address " + address
                         + " is in use: another process listens there; choose another, or end it");
    say_refused("bind to " + address);
  }
  made_in_ = ::getpid();
  socket_ = shared(std::move(made));
  if (::listen(socket_->fd(), backlog) != 0) {
    const auto error = errno;
    close();
    throw std::system_error(error, std::generic_category(), "listen at " + address);
  }
}

listening_socket::~listening_socket() { close(); }

void listening_socket::close() noexcept {
  if (!std::exchange(socket_, nullptr))
    return;
  if (address_.front() != '@' && made_in_ == ::getpid())
    ::unlink(address_.c_str());
}

shared_descriptor listening_socket::next(time_point deadline) const {
  if (!socket_)
    throw config_error("the listener at " + address_ + " is closed");
  for (;;) {
    auto peer =
      runtime::above_stdio(unique_fd{::accept4(socket_->fd(), nullptr, nullptr, SOCK_CLOEXEC)});
    if (peer)
      return shared(std::move(peer));
    if (errno == EAGAIN) {
      if (runtime::wait_for(socket_->fd(), POLLIN, deadline) == ETIMEDOUT)
        return nullptr;
    } else if (errno != EINTR && errno != ECONNABORTED)
      say_refused("accept at " + address_);
  }
}

void listening_socket::authenticate(const shared_descriptor& peer) const {
  runtime::admit_client(peer->fd(), key_, deadline_after(handshake_takes));
}

shared_descriptor connect_to(const std::string& address, const std::string& key,
                             time_point deadline) {
  runtime::check_key(key);
  const unix_address to{address};
  auto socket = new_socket(address);
  // EAGAIN: as many wait to be accepted as the listener allows, and nothing tells when there is
  // room.
  int error = try_connect(socket.get(), to);
  while (error == EAGAIN && std::chrono::steady_clock::now() < deadline) {
    ::usleep(1000);
    error = try_connect(socket.get(), to);
  }
  if (error == ECONNREFUSED || error == ENOENT)
    throw pipe_closed("nobody listens at " + address);
  if (error == EAGAIN)
    throw timeout_error("the listener at " + address + " did not accept in time");
  if (error != 0)
    throw std::system_error(error, std::generic_category(), "connect to " + address);
  if (runtime::wait_for(socket.get(), POLLIN, deadline) == ETIMEDOUT)
    throw timeout_error("the listener at " + address + " did not accept in time");
  runtime::enter_as_client(socket.get(), key, std::max(deadline, deadline_after(handshake_takes)));
  return shared(std::move(socket));
}

} // namespace bulkhead::detail
