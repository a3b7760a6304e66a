#pragma once

#include "tests/support/temporary_folder.hpp"

#include <nlohmann/json.hpp>

#include <sys/types.h>

#include <string>

namespace bulkhead::testing {

/// A headless Chromium, driven by chromedriver over the WebDriver protocol. Both end with it.
class browser {
public:
  /// Whether both are installed.
  static bool is_there();

  /// Starts them. Throws std::runtime_error where they do not come up.
  browser();
  ~browser();
  browser(const browser&) = delete;
  browser& operator=(const browser&) = delete;

  void open(const std::string& url);
  /// Runs the body of a function in the page; what it returns. Throws std::runtime_error for an
  /// exception.
  nlohmann::json run(const std::string& script);
  /// Clicks on, or types into, what the CSS selector finds first.
  void click(const std::string& selector);
  void type(const std::string& selector, const std::string& text);
  /// A PNG file's bytes, as base64.
  std::string screenshot();

private:
  nlohmann::json ask(const std::string& method, const std::string& path,
                     const nlohmann::json& body = nlohmann::json::object());
  std::string find(const std::string& selector);
  void end_driver() noexcept;

  temporary_folder folder_;
  pid_t driver_ = -1;
  int port_ = 0;
  std::string session_;
};

} // namespace bulkhead::testing
