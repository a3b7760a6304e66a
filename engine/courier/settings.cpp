#include "engine/courier/settings.hpp"

namespace bulkhead::engine {

std::string without_password(const std::string& url) {
  const auto scheme = url.find("://");
  const auto from = scheme == std::string::npos ? 0 : scheme + 3;
  const auto end = url.find('/', from);
  const auto at = url.rfind('@', end);
  const auto colon = url.find(':', from);
  if (at == std::string::npos || at < from || colon == std::string::npos || colon > at)
    return url;
  return url.substr(0, colon + 1) + "***" + url.substr(at);
}

} // namespace bulkhead::engine
