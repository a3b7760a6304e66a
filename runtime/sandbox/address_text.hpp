#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace bulkhead::runtime::sandbox {

/// A socket address for people: "127.0.0.1:80", "[::1]:80", "unix:/run/x", "unix:@x" for an
/// abstract one, "address family 16". The bytes may be anything; what they say may not be
/// printable.
std::string address_text(std::span<const std::byte> address);

/// The port of an IPv4 or IPv6 address.
std::optional<std::uint16_t> port_of(std::span<const std::byte> address) noexcept;

} // namespace bulkhead::runtime::sandbox
