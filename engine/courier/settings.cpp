#include "engine/courier/settings.hpp"

#include <algorithm>
#include <cstddef>
#include <vector>

namespace bulkhead::engine {

namespace {

/// Where in a URL "user:password@" begins, where the hosts do, and where they end.
struct parts {
  std::size_t user = 0;
  std::size_t hosts = 0;
  std::size_t end = 0;
};

parts parts_of(const std::string& url) {
  parts p;
  const auto scheme = url.find("://");
  p.user = scheme == std::string::npos ? 0 : scheme + 3;
  p.end = std::min(url.find('/', p.user), url.size());
  const auto at = url.rfind('@', p.end);
  p.hosts = at == std::string::npos || at < p.user ? p.user : at + 1;
  return p;
}

} // namespace

std::string url_of_try(const std::string& url, std::uint32_t tries) {
  const auto p = parts_of(url);
  std::vector<std::string> hosts;
  for (auto from = p.hosts; from <= p.end;) {
    const auto comma = std::min(url.find(',', from), p.end);
    hosts.push_back(url.substr(from, comma - from));
    from = comma + 1;
  }
  return url.substr(0, p.hosts) + hosts[tries % hosts.size()] + url.substr(p.end);
}

bool names_user(const std::string& url) {
  const auto p = parts_of(url);
  return p.hosts != p.user;
}

std::string without_password(const std::string& url) {
  const auto p = parts_of(url);
  const auto colon = url.find(':', p.user);
  if (p.hosts == p.user || colon >= p.hosts)
    return url;
  return url.substr(0, colon + 1) + "***" + url.substr(p.hosts - 1);
}

} // namespace bulkhead::engine
