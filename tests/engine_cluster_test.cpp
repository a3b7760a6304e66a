// ctest-timeout: 300
// ctest-label: fault
// ctest-label: once
// ctest-link: bulkhead_engine_rabbitmq
// Three brokers as one cluster, with quorum queues. One is killed while tasks run; with
// BULKHEAD_NEMESIS_LONG=1 each in turn, and started again.
#include "tests/support/cluster.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/marks.hpp"

#include <cstdlib>
#include <exception>
#include <memory>
#include <string>
#include <thread>

using namespace bulkhead;
using namespace bulkhead::tests;
using namespace std::chrono_literals;
using bulkhead::testing::broker;
using bulkhead::testing::temporary_folder;

namespace {

/// A cluster of three, and how to reach it, each of them first for somebody.
class trio {
public:
  trio() {
    brokers_[0] = std::make_unique<broker>();
    std::exception_ptr wrong;
    std::thread beside([&] {
      try {
        brokers_[1] = make();
      } catch (...) {
        wrong = std::current_exception();
      }
    });
    try {
      brokers_[2] = make();
    } catch (...) {
      beside.join();
      throw;
    }
    beside.join();
    if (wrong)
      std::rethrow_exception(wrong);
  }
  ~trio() {
    brokers_[2].reset(); // before the one whose name server it uses
    brokers_[1].reset();
  }

  std::string url(int first) const {
    std::string hosts;
    for (int i = 0; i < 3; ++i)
      hosts += (hosts.empty() ? "" : ",") + std::string{"127.0.0.1:"}
               + std::to_string(brokers_[(first + i) % 3]->port());
    return "amqp://guest:guest@" + hosts + "/%2f";
  }
  broker& operator[](int i) { return *brokers_[i]; }

private:
  std::unique_ptr<broker> make() const {
    return std::make_unique<broker>(broker::settings{.beside = brokers_[0].get()});
  }

  std::unique_ptr<broker> brokers_[3];
};

} // namespace

TEST_CASE("one broker of three is killed, and no task is lost or runs twice") {
  if (!broker::is_installed())
    return;
  trio cluster;
  const temporary_folder folder;
  const auto file = (folder.path() / "marks").string();
  const auto node_at = [&](int first) {
    return test_node{
      node_wish{.url = cluster.url(first), .queue = "cluster", .workers = 1, .replicated = true}};
  };
  auto one = node_at(1);
  auto two = node_at(2);
  pool p({.engine =
            rabbitmq{.url = cluster.url(1), .queue = "cluster", .lease = 5s, .nodes_within = 60s}});
  int submitted = 0;
  const bool is_long = std::getenv("BULKHEAD_NEMESIS_LONG") != nullptr;
  for (int victim : is_long ? std::vector{1, 2, 0, 1} : std::vector{1}) {
    CAPTURE(victim);
    auto all = submit_marked(p, file, 80, 30ms, submitted);
    REQUIRE(
      eventually([&] { return marks_in(file).size() > static_cast<std::size_t>(submitted) + 10; }));
    cluster[victim].kill();
    check_once(all, file, false, submitted);
    submitted += 80;
    CHECK(p.submit([] { return 5; }).get() == 5);
    if (is_long)
      cluster[victim].start();
  }
}
