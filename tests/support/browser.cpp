#include "tests/support/browser.hpp"

#include "tests/support/eventually.hpp"
#include "tests/support/http.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <iterator>
#include <stdexcept>

namespace bulkhead::testing {

namespace {

using nlohmann::json;

constexpr const char* driver = "/usr/bin/chromedriver";
constexpr const char* chromium = "/usr/bin/chromium";

std::string content_of(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

} // namespace

bool browser::is_there() { return ::access(driver, X_OK) == 0 && ::access(chromium, X_OK) == 0; }

browser::browser() {
  const auto log = (folder_.path() / "log").string();
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, 1, log.c_str(), O_WRONLY | O_CREAT, 0600);
  ::posix_spawn_file_actions_adddup2(&actions, 1, 2);
  char program[] = "chromedriver";
  char any_port[] = "--port=0";
  char* arguments[] = {program, any_port, nullptr};
  const auto failed = ::posix_spawn(&driver_, driver, &actions, nullptr, arguments, environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (failed != 0)
    throw std::runtime_error("chromedriver cannot be started");
  const std::string says = "successfully on port ";
  tests::eventually([&] {
    const auto text = content_of(log);
    const auto at = text.find(says);
    if (at == std::string::npos || text.find('.', at) == std::string::npos)
      return false;
    port_ = std::stoi(text.substr(at + says.size()));
    return true;
  });
  const json options{
    {"binary", chromium},
    {"args",
     {"--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
      "--disable-background-networking", "--disable-component-update", "--disable-sync",
      "--window-size=1200,1400", "--user-data-dir=" + (folder_.path() / "profile").string()}}};
  try {
    const json wanted{{"browserName", "chrome"}, {"goog:chromeOptions", options}};
    session_ = ask("POST", "/session", {{"capabilities", {{"alwaysMatch", wanted}}}})["sessionId"];
  } catch (const std::exception&) {
    end_driver();
    throw;
  }
}

browser::~browser() {
  try {
    ask("DELETE", "/session/" + session_);
  } catch (const std::exception&) { // it goes with its driver
  }
  end_driver();
}

void browser::end_driver() noexcept {
  ::kill(driver_, SIGTERM);
  ::waitpid(driver_, nullptr, 0);
}

json browser::ask(const std::string& method, const std::string& path, const json& body) {
  const auto text = method == "POST" ? body.dump() : std::string{};
  const auto answer =
    answer_to(port_, method + ' ' + path + " HTTP/1.1\r\nHost: localhost:" + std::to_string(port_)
                       + "\r\nConnection: close\r\nContent-Type: application/json\r\n"
                         "Content-Length: "
                       + std::to_string(text.size()) + "\r\n\r\n" + text);
  const auto said = json::parse(body_of(answer), nullptr, false);
  if (said.is_discarded())
    throw std::runtime_error("chromedriver answers: " + answer);
  const auto& value = said["value"];
  if (value.is_object() && value.contains("error"))
    throw std::runtime_error(value.value("message", value.dump()));
  return value;
}

void browser::open(const std::string& url) {
  ask("POST", "/session/" + session_ + "/url", {{"url", url}});
}

json browser::run(const std::string& script) {
  return ask("POST", "/session/" + session_ + "/execute/sync",
             {{"script", script}, {"args", json::array()}});
}

std::string browser::find(const std::string& selector) {
  const auto found = ask("POST", "/session/" + session_ + "/element",
                         {{"using", "css selector"}, {"value", selector}});
  return "/session/" + session_ + "/element/" + found.begin()->get<std::string>();
}

void browser::click(const std::string& selector) { ask("POST", find(selector) + "/click"); }

void browser::type(const std::string& selector, const std::string& text) {
  ask("POST", find(selector) + "/value", {{"text", text}});
}

std::string browser::screenshot() {
  return ask("GET", "/session/" + session_ + "/screenshot").get<std::string>();
}

} // namespace bulkhead::testing
