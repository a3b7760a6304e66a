// ctest-link: bulkhead_observe
// ctest-timeout: 180
// The page over real HTTP: who may ask, what is answered, and what hostile clients change: nothing.
#include "tests/support/eventually.hpp"
#include "tests/support/http.hpp"
#include "tests/support/leak_guard.hpp"

#include <bulkhead/bulkhead.hpp>
#include <bulkhead/observe.hpp>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

using namespace bulkhead;
using namespace std::chrono_literals;
using nlohmann::json;
using testing::answer_to;
using testing::body_of;
using testing::connect_to;
using testing::get;
using testing::port_in;
using tests::eventually;

namespace {

int twice(int x) { return 2 * x; }
BULKHEAD_TASK("test.twice", twice)

int status_of(const std::string& answer) {
  return answer.size() > 12 ? std::atoi(answer.c_str() + 9) : 0;
}

const std::string token = "a-token_of-24-characters";

bool has_program(const char* name) {
  return std::system((std::string("command -v ") + name + " >/dev/null 2>&1").c_str()) == 0;
}

std::size_t open_descriptors() {
  return static_cast<std::size_t>(
    std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {}));
}

} // namespace

TEST_CASE("page, metrics and snapshot are served; what else is asked for is not there") {
  tests::leak_guard guard;
  pool workers({.workers = 2, .name = "served"});
  const observe::web_page page(workers);
  const auto port = port_in(page.url());
  workers.map(twice, std::vector<int>(100, 1));
  const auto html = get(port, "/");
  CHECK(status_of(html) == 200);
  CHECK(html.find("Content-Security-Policy: default-src 'none'") != std::string::npos);
  CHECK(body_of(html).find("NONCE") == std::string::npos);
  CHECK(get(port, "/metrics").find("bulkhead_tasks_total{pool=\"served\"") != std::string::npos);
  const auto snapshot = json::parse(body_of(get(port, "/api/snapshot")));
  CHECK(snapshot["stats"]["succeeded"] == 100);
  CHECK(snapshot["workers"].size() == 2);
  CHECK(json::parse(body_of(get(port, "/api/snapshot?slice=1000000")))["slices"].empty());
  for (const auto* path : {"/index.html", "/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "//",
                           "/api/snapshot/", "/metrics%00"})
    CHECK(status_of(get(port, path)) == 404);
  const auto head = answer_to(port, "HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  CHECK(status_of(head) == 200);
  CHECK(body_of(head).empty());
}

TEST_CASE("promtool finds nothing to object to in the metrics") {
  if (!has_program("promtool")) {
    MESSAGE("skipped: there is no promtool (Debian's package prometheus)");
    return;
  }
  pool workers({.workers = 2});
  const observe::watch seen(workers);
  workers.map(twice, std::vector<int>(100, 1));
  auto* check = ::popen("promtool check metrics 2>&1", "w");
  REQUIRE(check != nullptr);
  const auto text = observe::metrics_text();
  CHECK(std::fwrite(text.data(), 1, text.size(), check) == text.size());
  CHECK(::pclose(check) == 0);
}

TEST_CASE("the stream tells what is new, and ends with the page") {
  tests::leak_guard guard;
  pool workers({.workers = 1});
  auto page = std::make_unique<observe::web_page>(workers);
  const int fd = connect_to(port_in(page->url()));
  REQUIRE(fd >= 0);
  const std::string ask = "GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n";
  REQUIRE(::send(fd, ask.data(), ask.size(), 0) == static_cast<ssize_t>(ask.size()));
  std::string came;
  const auto read_some = [&] {
    char piece[65536];
    const auto got = ::recv(fd, piece, sizeof piece, MSG_DONTWAIT);
    if (got > 0)
      came.append(piece, static_cast<std::size_t>(got));
    return got;
  };
  workers.submit(twice, 1).get();
  CHECK(eventually([&] {
    read_some();
    return came.find("\"name\":\"test.twice\"") != std::string::npos;
  }));
  CHECK(came.find("text/event-stream") != std::string::npos);
  page.reset();
  CHECK(eventually([&] { return read_some() == 0; }));
  ::close(fd);
}

TEST_CASE("beyond the loopback a token is needed, and one that nobody guesses") {
  pool workers({.workers = 1});
  for (const auto* address : {"0.0.0.0:0", "[::]:0", "localhost", "127.0.0.1", "127.0.0.1:65536",
                              "example.org:80", "127.0.0.1:-1", "127.0.0.1:80x", ""})
    CHECK_THROWS_AS(observe::web_page(workers, {.address = address}), config_error);
  CHECK_THROWS_AS(observe::web_page(workers, {.address = "127.0.0.1:0", .token = "short"}),
                  config_error);
  CHECK_THROWS_AS(observe::web_page(workers, {.token = "spaces are not allowed"}), config_error);
  const observe::web_page first(workers);
  CHECK_THROWS_AS(
    observe::web_page(workers, {.address = "127.0.0.1:" + std::to_string(port_in(first.url()))}),
    std::system_error);

  const observe::web_page page(workers, {.address = "0.0.0.0:0", .token = token});
  const auto port = port_in(page.url());
  CHECK(page.url().ends_with("/?token=" + token));
  for (const auto* path : {"/", "/metrics", "/api/snapshot", "/api/events", "/nothing"}) {
    CHECK(status_of(get(port, path)) == 401);
    CHECK(status_of(get(port, path + std::string("?token=a-token_of-24-characterz"))) == 401);
  }
  CHECK(status_of(get(port, "/?token=" + token)) == 200);
  CHECK(status_of(get(port, "/metrics", "Authorization: Bearer " + token + "\r\n")) == 200);
}

TEST_CASE("pages of other sites and foreign names are refused, a link is not") {
  pool workers({.workers = 1});
  const observe::web_page page(workers);
  const auto port = port_in(page.url());
  const auto with_host = [&](const std::string& host, const std::string& more = {}) {
    return status_of(
      answer_to(port, "GET /api/snapshot HTTP/1.1\r\nHost: " + host + "\r\n" + more + "\r\n"));
  };
  CHECK(with_host("127.0.0.1") == 200);
  CHECK(with_host("localhost:80") == 200);
  CHECK(with_host("evil.example") == 403); // a name that was made to mean this machine
  CHECK(with_host("") == 403);
  CHECK(with_host("127.0.0.1", "Origin: https://evil.example\r\n") == 403);
  CHECK(with_host("127.0.0.1", "Origin: null\r\n") == 403);
  CHECK(with_host("127.0.0.1", "Origin: http://127.0.0.1\r\n") == 200);
  CHECK(with_host("127.0.0.1", "Sec-Fetch-Site: cross-site\r\n") == 403);
  CHECK(with_host("127.0.0.1", "Sec-Fetch-Site: same-origin\r\n") == 200);
  const std::string link = "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\n";
  CHECK(status_of(get(port, "/", link)) == 200);
  for (const auto* method : {"POST", "PUT", "DELETE", "OPTIONS", "PRI"})
    CHECK(status_of(answer_to(port, method + std::string(" / HTTP/1.1\r\nHost: localhost\r\n\r\n")))
          == 405);
}

TEST_CASE("what is no request ends its connection and nothing else") {
  tests::leak_guard guard;
  pool workers({.workers = 1});
  const observe::web_page page(workers);
  const auto port = port_in(page.url());
  const std::string host = "\r\nHost: localhost\r\n\r\n";
  CHECK(answer_to(port, "GET / HTTP/1.1\r\nX: " + std::string(100'000, 'x') + host).empty());
  CHECK(answer_to(port, "GET /" + std::string(100'000, 'x') + " HTTP/1.1" + host).empty());
  CHECK(status_of(answer_to(port, "GET /" + std::string(2000, 'x') + " HTTP/1.1" + host)) == 414);
  CHECK(status_of(answer_to(port, "GET / HTTP/9.9" + host)) == 400);
  CHECK(status_of(answer_to(port, "\x16\x03\x01\x02\r\n\r\n")) == 400); // TLS
  CHECK(status_of(answer_to(port, "GET http://localhost/ HTTP/1.1" + host)) == 400);
  CHECK(status_of(answer_to(port, "GET / HTTP/1.1\r\nno colon" + host)) == 400);
  CHECK(status_of(answer_to(port, std::string("GET /\0 HTTP/1.1", 15) + host)) == 400);
  // A list of ranges over which a regular expression would exhaust the stack.
  std::string ranges = "bytes=0-1";
  for (int i = 0; i < 1500; ++i)
    ranges += ",1-2";
  CHECK(status_of(get(port, "/", "Range: " + ranges + "\r\n")) == 200);
  CHECK(status_of(get(port, "/metrics")) == 200);
  CHECK(workers.submit(twice, 2).get() == 4);
}

TEST_CASE("a thousand connections that say little change nothing for the pool") {
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = std::min<rlim_t>(files.rlim_max, 4096);
  ::setrlimit(RLIMIT_NOFILE, &files);
  tests::leak_guard guard;
  pool workers({.workers = 2});
  const observe::web_page page(workers);
  const auto port = port_in(page.url());
  const auto before = open_descriptors();
  std::vector<int> clients;
  for (int i = 0; i < 1000; ++i) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    REQUIRE(fd >= 0);
    testing::begin_connecting(fd, port);
    ::send(fd, "GET / HTTP/1.1\r\nX-", 18, MSG_NOSIGNAL);
    clients.push_back(fd);
  }
  // The host gives them no more than its share of descriptors, and the pool works on.
  CHECK(open_descriptors() <= before + clients.size() + 70);
  CHECK(workers.map(twice, std::vector<int>(2000, 1)).size() == 2000);
  ::kill(workers.workers().front().pid, SIGKILL);
  CHECK(eventually([&] { return workers.stats().restarts == 1 && workers.workers().size() == 2; }));
  CHECK(workers.map(twice, std::vector<int>(2000, 1)).size() == 2000);
  for (const int fd : clients)
    ::close(fd);
  CHECK(eventually([&] { return status_of(get(port, "/metrics")) == 200; }, 60s));
}

TEST_CASE("slow clients lose their place to others, and do not delay the end") {
  tests::leak_guard guard;
  pool workers({.workers = 1});
  std::vector<int> clients;
  {
    const observe::web_page page(workers);
    const auto port = port_in(page.url());
    for (int i = 0; i < 64; ++i) {
      clients.push_back(connect_to(port));
      ::send(clients.back(), "GET ", 4, MSG_NOSIGNAL);
    }
    CHECK(status_of(get(port, "/")) == 200); // although all places were taken
  }
  for (const int fd : clients)
    ::close(fd);
}
