#include "observe/web/access.hpp"

#include <bulkhead/error.hpp>

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>

// Who may ask what, decided from the head of a request alone, before any library reads it: a page
// of another site, a name that is none of ours, or a stranger without the token gets a status and
// no more. Nothing here waits or keeps anything.
namespace bulkhead::observe::detail {

namespace {

constexpr std::size_t longest_target = 1024;
constexpr std::size_t longest_value = 512;
constexpr std::size_t shortest_token = 16;

[[noreturn]] void refuse_address(std::string_view text) {
  throw config_error("web address \"" + std::string(text)
                     + "\" is none; allowed: an IP address and a port, as 127.0.0.1:8080, "
                       "[::1]:0 or :8080 (port 0: any that is free)");
}

bool is_loopback(const std::string& host) noexcept {
  std::array<std::uint8_t, 16> address{};
  if (::inet_pton(AF_INET, host.c_str(), address.data()) == 1)
    return address[0] == 127;
  return ::inet_pton(AF_INET6, host.c_str(), address.data()) == 1
         && std::all_of(address.begin(), address.end() - 1, [](auto b) { return b == 0; })
         && address[15] == 1;
}

bool is_address(const std::string& host) noexcept {
  std::array<std::uint8_t, 16> address{};
  return ::inet_pton(AF_INET, host.c_str(), address.data()) == 1
         || ::inet_pton(AF_INET6, host.c_str(), address.data()) == 1;
}

/// "[::1]:80" -> "::1"; "localhost:80" -> "localhost".
std::string host_of(std::string_view authority) {
  if (authority.starts_with('['))
    return std::string(authority.substr(1, authority.find(']') - 1));
  return std::string(authority.substr(0, authority.find(':')));
}

/// In a time that does not depend on where they differ.
bool is_same(std::string_view a, std::string_view b) noexcept {
  unsigned difference = a.size() == b.size() ? 0 : 1;
  for (std::size_t i = 0; i < a.size() && i < b.size(); ++i)
    difference |= static_cast<unsigned>(a[i] ^ b[i]);
  return difference == 0;
}

bool is_plain(std::string_view text) noexcept {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 127; });
}

std::string lower(std::string_view text) {
  std::string low(text);
  for (auto& c : low)
    c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return low;
}

std::string_view trimmed(std::string_view text) noexcept {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos)
    return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

/// The next line, which it takes off.
std::string_view take_line(std::string_view& text) noexcept {
  const auto end = text.find("\r\n");
  const auto line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 2);
  return line;
}

int read_request_line(std::string_view line, request_head& into) {
  const auto first = line.find(' ');
  const auto last = line.rfind(' ');
  if (first == std::string_view::npos || first == last)
    return 400;
  const auto target = line.substr(first + 1, last - first - 1);
  const auto protocol = line.substr(last + 1);
  into.method = line.substr(0, first);
  if (protocol != "HTTP/1.1" && protocol != "HTTP/1.0")
    return 400;
  if (into.method != "GET" && into.method != "HEAD")
    return 405;
  if (target.size() > longest_target)
    return 414;
  if (!target.starts_with('/') || !is_plain(target))
    return 400;
  const auto mark = target.find('?');
  into.path = target.substr(0, mark);
  into.query = mark == std::string_view::npos ? "" : target.substr(mark + 1);
  return 0;
}

std::string* place_of(request_head& head, const std::string& name) noexcept {
  return name == "host"             ? &head.host
         : name == "origin"         ? &head.origin
         : name == "sec-fetch-site" ? &head.fetch_site
         : name == "sec-fetch-mode" ? &head.fetch_mode
         : name == "authorization"  ? &head.authorization
                                    : nullptr;
}

} // namespace

std::string endpoint::origin() const {
  const bool brackets = host.find(':') != std::string::npos;
  return "http://" + (brackets ? '[' + host + ']' : host) + ':' + std::to_string(port);
}

endpoint parse_endpoint(std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos)
    refuse_address(text);
  endpoint at;
  at.host = host_of(text.substr(0, colon));
  if (text.starts_with('[') != (at.host.find(':') != std::string::npos))
    refuse_address(text);
  if (at.host.empty() || at.host == "localhost")
    at.host = "127.0.0.1";
  const auto port = text.substr(colon + 1);
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), at.port);
  if (error != std::errc{} || end != port.data() + port.size() || at.port < 0 || at.port > 65535
      || !is_address(at.host))
    refuse_address(text);
  at.loopback = is_loopback(at.host);
  return at;
}

void check_token(const endpoint& at, const std::string& token) {
  if (token.empty() && !at.loopback)
    throw config_error("web address " + at.host
                       + " can be reached from other machines, and no token is given; give one "
                         "(16 characters or more), or use 127.0.0.1");
  const bool good = std::all_of(token.begin(), token.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-'
           || c == '_';
  });
  if (!token.empty() && (token.size() < shortest_token || token.size() > 256 || !good))
    throw config_error("the token of the page has " + std::to_string(token.size())
                       + " characters; allowed: 16 to 256 letters, digits, '-' and '_'");
}

parsed_head parse_head(std::string_view text) {
  request_head head;
  if (const auto refused = read_request_line(take_line(text), head); refused != 0)
    return {std::nullopt, refused};
  while (!text.empty()) {
    const auto line = take_line(text);
    if (line.empty())
      break;
    const auto colon = line.find(':');
    if (colon == std::string_view::npos)
      return {std::nullopt, 400};
    auto* place = place_of(head, lower(line.substr(0, colon)));
    if (place == nullptr)
      continue;
    const auto value = trimmed(line.substr(colon + 1));
    if (!place->empty() || value.size() > longest_value)
      return {std::nullopt, 400};
    *place = value;
  }
  return {std::move(head), 0};
}

std::string_view query_value(std::string_view query, std::string_view name) noexcept {
  while (!query.empty()) {
    const auto end = query.find('&');
    const auto part = query.substr(0, end);
    if (part.size() > name.size() && part.starts_with(name) && part[name.size()] == '=')
      return part.substr(name.size() + 1);
    query.remove_prefix(end == std::string_view::npos ? query.size() : end + 1);
  }
  return {};
}

int refusal_of(const request_head& asked, const std::string& token) {
  // A link to the page may be anywhere; what the page asks for comes from itself.
  const bool follows_link = asked.path == "/" && asked.fetch_mode == "navigate";
  const bool foreign = asked.fetch_site == "cross-site" || asked.fetch_site == "same-site";
  if (foreign && !follows_link)
    return 403;
  if (!asked.origin.empty() && asked.origin != "http://" + asked.host)
    return 403;
  if (token.empty()) {
    const auto host = host_of(asked.host);
    return host == "localhost" || is_loopback(host) ? 0 : 403;
  }
  constexpr std::string_view bearer = "Bearer ";
  const auto given = asked.authorization.starts_with(bearer)
                       ? std::string_view{asked.authorization}.substr(bearer.size())
                       : query_value(asked.query, "token");
  return is_same(given, token) ? 0 : 401;
}

} // namespace bulkhead::observe::detail
