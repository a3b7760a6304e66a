// ctest-link: bulkhead_observe
// ctest-timeout: 180
// ctest-label: once
// A real Prometheus scrapes a pool, and each query of the dashboard for Grafana finds data in it.
#include "tests/support/eventually.hpp"
#include "tests/support/http.hpp"
#include "tests/support/runner_jobs.hpp"
#include "tests/support/temporary_folder.hpp"

#include <bulkhead/actor.hpp>
#include <bulkhead/bulkhead.hpp>
#include <bulkhead/observe.hpp>

#include <caf/event_based_actor.hpp>
#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <regex>
#include <string>
#include <thread>
#include <vector>

using namespace bulkhead;
using namespace std::chrono_literals;
using nlohmann::json;
using testing::body_of;
using tests::eventually;

namespace {

int twice(int x) { return 2 * x; }
BULKHEAD_TASK("test.twice", twice)

/// A port of the loopback that nobody has now.
int free_port() {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof at;
  REQUIRE(::bind(fd, reinterpret_cast<sockaddr*>(&at), size) == 0);
  REQUIRE(::getsockname(fd, reinterpret_cast<sockaddr*>(&at), &size) == 0);
  ::close(fd);
  return ntohs(at.sin_port);
}

std::string encoded(const std::string& query) {
  std::string text;
  for (const char c : query) {
    char code[4];
    std::snprintf(code, sizeof code, "%%%02X", static_cast<unsigned char>(c));
    text += code;
  }
  return text;
}

/// A Prometheus with a folder of its own that scrapes one target often.
class prometheus {
public:
  explicit prometheus(int target) : port_(free_port()) {
    const auto config = folder_.write(
      "prometheus.yml", "global: {scrape_interval: 200ms, scrape_timeout: 200ms}\nscrape_configs:\n"
                        "  - {job_name: bulkhead, static_configs: [{targets: [\"127.0.0.1:"
                          + std::to_string(target) + "\"]}]}\n");
    const std::string words[] = {"prometheus", "--config.file=" + config.string(),
                                 "--storage.tsdb.path=" + (folder_.path() / "data").string(),
                                 "--web.listen-address=127.0.0.1:" + std::to_string(port_),
                                 "--log.level=error"};
    std::vector<char*> arguments;
    for (const auto& word : words)
      arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    REQUIRE(::posix_spawnp(&pid_, words[0].c_str(), nullptr, nullptr, arguments.data(), environ)
            == 0);
  }
  ~prometheus() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  prometheus(const prometheus&) = delete;
  prometheus& operator=(const prometheus&) = delete;

  json ask(const std::string& query) const {
    // HTTP/1.0: an answer in one piece.
    const auto answer = testing::answer_to(port_, "GET /api/v1/query?query=" + encoded(query)
                                                    + " HTTP/1.0\r\nHost: localhost\r\n\r\n");
    return json::parse(body_of(answer), nullptr, false);
  }
  /// Values come, and none of them is an error.
  bool finds(const std::string& query) const {
    const auto answer = ask(query);
    return answer.is_object() && answer["status"] == "success" && !answer["data"]["result"].empty();
  }

private:
  testing::temporary_folder folder_;
  int port_;
  pid_t pid_ = -1;
};

std::vector<std::string> queries_of_dashboard() {
  const auto dashboard =
    json::parse(testing::content_of(BULKHEAD_SOURCE_DIR "/config/grafana-dashboard.json"));
  std::vector<std::string> all;
  for (const auto& panel : dashboard["panels"])
    for (const auto& target : panel["targets"]) {
      auto query = target["expr"].get<std::string>();
      query = std::regex_replace(query, std::regex(R"(\$pool\b)"), ".*");
      query = std::regex_replace(query, std::regex(R"(\$__rate_interval)"), "30s");
      CHECK(query.find('$') == std::string::npos);
      all.push_back(std::move(query));
    }
  return all;
}

/// Keeps a pool at work.
class work {
public:
  explicit work(pool& of)
    : thread_([&of](const std::stop_token& until) {
        while (!until.stop_requested()) {
          of.try_map(twice, std::vector<int>(50, 1));
          std::this_thread::sleep_for(20ms); // a rate, not a load
        }
      }) {}

private:
  std::jthread thread_;
};

} // namespace

TEST_CASE("a Prometheus scrapes the page; each query of the dashboard finds data in it") {
  if (std::system("command -v prometheus > /dev/null") != 0) {
    MESSAGE("skipped: there is no prometheus");
    return;
  }
  pool workers({.workers = 2, .name = "scraped", .actor_workers = 1});
  const observe::web_page page(workers);
  const auto actor = workers.spawn(
    [](caf::event_based_actor*) -> caf::behavior { return {[](int x) { return x; }}; });
  const prometheus server(testing::port_in(page.url()));
  const work going(workers);
  CHECK(eventually([&] { return server.finds("up == 1"); }, 60s));
  // A counter's increase needs a sample from before it.
  const auto dies = [&](const char* sample) {
    ::kill(workers.workers().front().pid, SIGKILL);
    return eventually([&] { return server.finds(sample); }, 60s);
  };
  CHECK(dies("bulkhead_worker_deaths_total{cause=\"killed\"} >= 1"));
  CHECK(dies("bulkhead_worker_deaths_total{cause=\"killed\"} >= 2"));
  const auto queries = queries_of_dashboard();
  CHECK(queries.size() > 20);
  for (const auto& query : queries) {
    CAPTURE(query);
    CHECK(eventually([&] { return server.finds(query); }, 60s));
    CHECK(server.ask(query)["status"] == "success");
  }
  const auto ran = server.ask("sum(bulkhead_task_run_seconds_count{task=\"test.twice\"})");
  CHECK(std::stod(ran["data"]["result"][0]["value"][1].get<std::string>()) > 0);
  CHECK(server.finds("bulkhead_task_dispatch_seconds_count > 0"));
}
