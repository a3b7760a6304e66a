#include "runtime/ipc/handshake.hpp"

#include "runtime/system/packet_socket.hpp"

#include <bulkhead/detail/validated.hpp>
#include <bulkhead/error.hpp>
#include <bulkhead/listener.hpp>

#include <sodium.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <system_error>

namespace bulkhead::runtime {

namespace {

using time_point = std::chrono::steady_clock::time_point;
using nonce = std::array<unsigned char, 32>;
using proof = std::array<unsigned char, crypto_auth_hmacsha256_BYTES>;

constexpr std::size_t least_key_bytes = 16;

/// The listener speaks first.
struct challenge {
  std::array<char, 8> protocol = {'b', 'u', 'l', 'k', 'h', 'd', '0', '1'};
  nonce number;
};
struct response {
  nonce number;
  proof of_client;
};
/// What the listener sends to whom it admits; it closes the connection of others.
struct welcome {
  proof of_listener;
};

void make_ready() {
  if (::sodium_init() < 0)
    throw std::system_error(std::make_error_code(std::errc::not_supported),
                            "libsodium finds no random numbers");
}

nonce random_number() {
  nonce made;
  ::randombytes_buf(made.data(), made.size());
  return made;
}

proof prove(const std::string& key, std::string_view role, const nonce& of_listener,
            const nonce& of_client) {
  crypto_auth_hmacsha256_state state;
  const auto add = [&](const void* data, std::size_t size) {
    ::crypto_auth_hmacsha256_update(&state, static_cast<const unsigned char*>(data), size);
  };
  ::crypto_auth_hmacsha256_init(&state, reinterpret_cast<const unsigned char*>(key.data()),
                                key.size());
  add(role.data(), role.size());
  add(of_listener.data(), of_listener.size());
  add(of_client.data(), of_client.size());
  proof made;
  ::crypto_auth_hmacsha256_final(&state, made.data());
  ::sodium_memzero(&state, sizeof state);
  return made;
}

bool same(const proof& a, const proof& b) {
  return ::sodium_memcmp(a.data(), b.data(), a.size()) == 0;
}

[[noreturn]] void refuse(const std::string& why) { throw authentication_error(why); }

/// "process 123 of user 1000", as the kernel knows it.
std::string check_user(int socket) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0)
    throw std::system_error(errno, std::generic_category(), "getsockopt(SO_PEERCRED)");
  auto who = "process " + std::to_string(peer.pid) + " of user " + std::to_string(peer.uid);
  if (peer.uid != ::geteuid() && peer.uid != 0)
    refuse("the peer is " + who + "; this process serves user " + std::to_string(::geteuid())
           + " and root alone");
  return who;
}

template <class Message>
void say(int socket, const Message& m, time_point deadline, const std::string& who) {
  if (const auto error =
        packet_socket::send(socket, std::as_bytes(std::span{&m, 1}), {}, {}, deadline);
      error != 0)
    refuse("the peer, " + who
           + ", went away or does not read: " + std::generic_category().message(error));
}

template <class Message>
Message hear(int socket, time_point deadline, const std::string& who, const char* if_gone) {
  Message m;
  const auto got =
    packet_socket::receive(socket, std::as_writable_bytes(std::span{&m, 1}), deadline);
  if (got.error == ETIMEDOUT)
    refuse("the peer, " + who + ", did not answer in time");
  if (got.error != 0)
    refuse("the peer, " + who + ", " + if_gone);
  if (!detail::validated("handshake.size", got.bytes == sizeof m && got.fds.empty()))
    refuse("the peer, " + who + ", speaks another protocol");
  return m;
}

} // namespace

void check_key(const std::string& key) {
  if (key.size() < least_key_bytes)
    throw config_error("the key of a listener has " + std::to_string(key.size())
                       + " bytes; allowed: " + std::to_string(least_key_bytes)
                       + " or more, see make_key()");
}

void admit_client(int socket, const std::string& key, time_point deadline) {
  make_ready();
  const auto who = check_user(socket);
  challenge asked;
  asked.number = random_number();
  say(socket, asked, deadline, who);
  const auto answer =
    hear<response>(socket, deadline, who, "went away before it had proved itself");
  if (!detail::validated("handshake.client",
                         same(answer.of_client, prove(key, "client", asked.number, answer.number))))
    refuse("the peer, " + who + ", does not know the key");
  say(socket, welcome{prove(key, "listener", asked.number, answer.number)}, deadline, who);
}

void enter_as_client(int socket, const std::string& key, time_point deadline) {
  make_ready();
  const auto who = check_user(socket);
  const auto asked = hear<challenge>(socket, deadline, who, "went away");
  if (!detail::validated("handshake.protocol", asked.protocol == challenge{}.protocol))
    refuse("the peer, " + who + ", is no listener of this library");
  response answer;
  answer.number = random_number();
  answer.of_client = prove(key, "client", asked.number, answer.number);
  say(socket, answer, deadline, who);
  const auto done = hear<welcome>(socket, deadline, who, "refused the key");
  if (!detail::validated(
        "handshake.listener",
        same(done.of_listener, prove(key, "listener", asked.number, answer.number))))
    refuse("the peer, " + who + ", does not know the key");
}

} // namespace bulkhead::runtime

namespace bulkhead {

std::string make_key() {
  runtime::make_ready();
  std::string key(32, '\0');
  ::randombytes_buf(key.data(), key.size());
  return key;
}

} // namespace bulkhead
