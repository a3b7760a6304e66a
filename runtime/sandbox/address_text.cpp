#include "runtime/sandbox/address_text.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <string_view>

namespace bulkhead::runtime::sandbox {

namespace {

/// The address as a T; what is missing of it is zero.
template <class T>
T as(std::span<const std::byte> address) noexcept {
  T made{};
  std::memcpy(&made, address.data(), std::min(address.size(), sizeof made));
  return made;
}

template <class Address>
std::string numeric(int family, const Address& from) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  ::inet_ntop(family, &from, text.data(), text.size());
  return text.data();
}

std::string unix_text(std::span<const std::byte> address) {
  constexpr auto before = offsetof(sockaddr_un, sun_path);
  if (address.size() <= before)
    return "unix:";
  const auto path = address.subspan(before);
  std::string_view name{reinterpret_cast<const char*>(path.data()), path.size()};
  std::string text = "unix:";
  if (name.front() == '\0') {
    text += '@';
    name.remove_prefix(1);
  }
  return text.append(name.substr(0, name.find('\0')));
}

} // namespace

std::string address_text(std::span<const std::byte> address) {
  switch (const auto family = as<sockaddr>(address).sa_family; family) {
  case AF_INET:
    return numeric(AF_INET, as<sockaddr_in>(address).sin_addr) + ':'
           + std::to_string(ntohs(as<sockaddr_in>(address).sin_port));
  case AF_INET6:
    return '[' + numeric(AF_INET6, as<sockaddr_in6>(address).sin6_addr)
           + "]:" + std::to_string(ntohs(as<sockaddr_in6>(address).sin6_port));
  case AF_UNIX:
    return unix_text(address);
  default:
    return "address family " + std::to_string(family);
  }
}

std::optional<std::uint16_t> port_of(std::span<const std::byte> address) noexcept {
  const auto family = as<sockaddr>(address).sa_family;
  if (family != AF_INET && family != AF_INET6)
    return std::nullopt;
  return ntohs(as<sockaddr_in>(address).sin_port); // at the same place in both
}

} // namespace bulkhead::runtime::sandbox
