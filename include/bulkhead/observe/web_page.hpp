#pragma once

#include <bulkhead/observe/watch.hpp>

#include <memory>
#include <string>

namespace bulkhead::observe {

/// Where a page is served, and to whom.
struct web_options {
  /// "ADDRESS:PORT", an IP address; port 0: any that is free. Beyond the loopback a token is
  /// needed.
  std::string address = "127.0.0.1:0";
  /// Whoever asks has to give it, as "?token=..." or "Authorization: Bearer ..."; empty: nobody.
  /// 16 characters or more: letters, digits, '-' and '_'.
  std::string token = {};
};

/// A page with all that a watch sees, live; /metrics for Prometheus; /api/snapshot as JSON
/// (docs/observe.md). It only shows: no request changes anything. Serves until it is destroyed, at
/// most 64 connections at a time, from threads of its own.
class web_page {
public:
  /// Throws config_error for an address that is none, one beyond the loopback without a token, or
  /// a token that is too short; std::system_error where the system refuses the address.
  explicit web_page(const pool& of, web_options options = {});
  ~web_page();
  web_page(web_page&&) noexcept;
  web_page& operator=(web_page&&) noexcept;

  /// "http://127.0.0.1:40123/", with the token where there is one.
  std::string url() const;
  /// What the page shows.
  const watch& seen() const noexcept;

private:
  struct server;
  std::unique_ptr<server> server_;
};

} // namespace bulkhead::observe
