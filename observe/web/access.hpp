#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace bulkhead::observe::detail {

/// Where to listen.
struct endpoint {
  std::string host; ///< an IP address, without brackets
  int port = 0;     ///< 0: any
  bool loopback = false;

  /// "http://[::1]:80"
  std::string origin() const;
};

/// "127.0.0.1:8080", "[::1]:0", ":8080" (loopback). Throws config_error for anything else.
endpoint parse_endpoint(std::string_view text);

/// Throws config_error where the token does not do for this address.
void check_token(const endpoint& at, const std::string& token);

/// The head of a request, as far as it matters here.
struct request_head {
  std::string method; ///< GET or HEAD
  std::string path;   ///< without the query
  std::string query;
  std::string host;
  std::string origin;
  std::string fetch_site; ///< Sec-Fetch-Site
  std::string fetch_mode; ///< Sec-Fetch-Mode
  std::string authorization;
};

/// What came until the empty line. Where it is no request that is served here, the status of the
/// answer: 400, 405 or 414. Pure.
struct parsed_head {
  std::optional<request_head> head;
  int refused = 0;
};
parsed_head parse_head(std::string_view text);

/// "since" in "token=1&since=2"; "" where it is not there.
std::string_view query_value(std::string_view query, std::string_view name) noexcept;

/// 0, or the status of the refusal: 401 without the token, 403 from another site's page or under a
/// name that is none of ours (DNS rebinding). Pure.
int refusal_of(const request_head& asked, const std::string& token);

} // namespace bulkhead::observe::detail
