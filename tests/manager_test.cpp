// ctest-timeout: 120
// ctest-label: fault
// Managers: what they keep for tasks, processes and other programs, and what their end does.
#include "tests/support/eventually.hpp"
#include "tests/support/leak_guard.hpp"

#include <bulkhead/listener.hpp>
#include <bulkhead/manager.hpp>
#include <bulkhead/tasks.hpp>
#include <bulkhead/testing/hooks.hpp>

#include <doctest/doctest.h>

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <future>
#include <map>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace bulkhead;
using namespace bulkhead::tests;
using namespace std::chrono_literals;

namespace {

constexpr auto long_enough = 60s; // a watchdog, not a measure

const std::string key = "a key of at least sixteen bytes";

void count_words(std::vector<std::string> words, managed_dict<std::string, int> totals,
                 managed_counter all) {
  for (const auto& word : words) {
    totals.update(word, [](std::optional<int> n) { return n.value_or(0) + 1; });
    all.add();
  }
}

managed_list<int> fill(managed_list<int> list, int first) {
  for (int i = first; i < first + 10; ++i)
    list.push_back(i);
  return list;
}

void take_one(managed_queue<int> from, managed_counter ready) {
  ready.add();
  static_cast<void>(from.get());
}

template <class Call>
void check_lost(Call call) {
  CHECK_THROWS_AS(call(), manager_lost);
}

} // namespace

TEST_CASE("a dict keeps what is put, once a key, and changes it as a whole") {
  const leak_guard guard;
  manager m;
  auto d = m.make_dict<std::string, std::vector<int>>();
  CHECK(!d.get("a"));
  d.put("a", {1, 2});
  CHECK(d.get("a") == std::vector{1, 2});
  CHECK(!d.insert("a", {}));
  CHECK(d.insert("b", {3}));
  CHECK(d.contains("b"));
  CHECK(d.size() == 2);
  const auto append = [](std::optional<std::vector<int>> v) {
    v->push_back(9);
    return *v;
  };
  CHECK(d.update("b", append) == std::vector{3, 9});
  CHECK(d.take("b") == std::vector{3, 9});
  CHECK(!d.take("b"));
  CHECK(!d.erase("b"));
  CHECK(d.keys() == std::vector<std::string>{"a"});
  CHECK(d.items().front().second == std::vector{1, 2});
  d.clear();
  CHECK(d.items().empty());
}

TEST_CASE("lists and sets do what their names say, to the end and beyond") {
  const leak_guard guard;
  manager m;
  auto l = m.make_list<std::string>();
  CHECK(!l.pop_back());
  CHECK(!l.at(0));
  l.push_back("b");
  CHECK(l.insert(0, "a"));
  CHECK(l.insert(2, "c"));
  CHECK(!l.insert(4, "e"));
  CHECK(l.assign(1, "B"));
  CHECK(!l.assign(3, "d"));
  CHECK(l.items() == std::vector<std::string>{"a", "B", "c"});
  CHECK(l.at(2) == "c");
  CHECK(l.take(0) == "a");
  CHECK(!l.take(2));
  CHECK(l.pop_back() == "c");
  CHECK(l.size() == 1);
  l.clear();
  CHECK(l.size() == 0);
  auto s = m.make_set<std::pair<int, int>>();
  CHECK(s.insert({1, 2}));
  CHECK(!s.insert({1, 2}));
  CHECK(s.contains({1, 2}));
  CHECK(s.items() == std::vector{std::pair{1, 2}});
  CHECK(s.erase({1, 2}));
  CHECK(!s.erase({1, 2}));
  CHECK(s.size() == 0);
}

TEST_CASE("a namespace holds values of any types and knows which") {
  const leak_guard guard;
  manager m;
  auto n = m.make_namespace();
  n.set("limit", 3.5);
  n.set("name", std::string{"x"});
  CHECK(n.get<double>("limit") == 3.5);
  CHECK_THROWS_WITH_AS(n.get<int>("limit"), doctest::Contains("is of type double, not int"),
                       config_error);
  CHECK(!n.get<int>("other"));
  CHECK(n.names() == std::vector<std::string>{"limit", "name"});
  CHECK(n.erase("limit"));
  CHECK(!n.get<double>("limit"));
}

TEST_CASE("proxies travel into tasks and back, and no change is lost") {
  const leak_guard guard;
  manager m;
  pool p{{.workers = 4}};
  auto totals = m.make_dict<std::string, int>();
  auto all = m.make_counter();
  std::vector<future<void>> parts;
  for (int i = 0; i < 8; ++i)
    parts.push_back(p.submit(
      count_words, std::vector<std::string>{"to", "be", "or", "not", "to", "be"}, totals, all));
  CHECK(wait_all(parts, long_enough));
  for (const auto& part : parts)
    part.get();
  CHECK(totals.get("to") == 16);
  CHECK(totals.get("or") == 8);
  CHECK(all.value() == 48);
  all.store(-1);
  CHECK(all.add(-2) == -3);
  auto back = p.apply(fill, m.make_list<int>(), 10);
  CHECK(back.size() == 10);
  CHECK(back.at(9) == 19);
  // Proxies are values like others: they may be kept in what they stand for, but for their door.
  CHECK_THROWS_AS((m.make_list<managed_counter>().push_back(all)), codec_error);
}

TEST_CASE("a name finds its object again, and no other type") {
  const leak_guard guard;
  manager m;
  m.make_dict<int, int>("table").put(1, 2);
  CHECK(m.make_dict<int, int>("table").get(1) == 2);
  CHECK_THROWS_WITH_AS((m.make_dict<int, long>("table")), doctest::Contains("int to long"),
                       config_error);
  CHECK_THROWS_AS(m.make_counter("table"), config_error);
  CHECK(m.make_dict<int, int>().size() == 0);
}

TEST_CASE("a queue waits for room and items, ends when closed, and counts work") {
  const leak_guard guard;
  manager m;
  auto q = m.make_queue<int>(2);
  CHECK(!q.try_get());
  CHECK(!q.get(1ms));
  q.put(1);
  CHECK(q.put(2, long_enough));
  CHECK(!q.try_put(3));
  CHECK(!q.put(3, 1ms));
  auto waiting = std::async(std::launch::async, [&] { q.put(3); });
  CHECK(q.get() == 1);
  waiting.get();
  CHECK(q.size() == 2);
  CHECK(!q.join(1ms));
  CHECK(q.get(long_enough) == 2);
  q.close();
  CHECK_THROWS_AS(q.put(4), queue_closed);
  CHECK(q.get() == 3);
  CHECK_THROWS_AS(q.get(), queue_closed);
  for (int i = 0; i < 3; ++i)
    q.task_done();
  CHECK_THROWS_AS(q.task_done(), config_error);
  q.join();
  CHECK(q.join(1ms));
}

TEST_CASE("a consumer that is killed while it waits takes nothing along") {
  const leak_guard guard;
  manager m;
  auto q = m.make_queue<int>();
  auto ready = m.make_counter();
  process child{take_one, q, ready};
  child.start();
  REQUIRE(eventually([&] { return ready.value() == 1; }));
  child.kill();
  child.join();
  q.put(5);
  CHECK(q.get(long_enough) == 5);
}

#if defined(BULKHEAD_HOOKS) && BULKHEAD_HOOKS
TEST_CASE("an item whose consumer dies before it says so goes to the next, also at the end") {
  const leak_guard guard;
  manager m;
  auto q = m.make_queue<int>();
  process child{[](managed_queue<int> from) {
                  testing::arm_hook("manager.item_came", 1, testing::hook_action::kill);
                  static_cast<void>(from.get());
                },
                q};
  q.put(1);
  q.put(2);
  child.start();
  child.join();
  REQUIRE(child.exit_code() == -SIGKILL);
  q.close();
  CHECK(*q.get(long_enough) + *q.get(long_enough) == 3);
  CHECK_THROWS_AS(q.get(), queue_closed);
}
#endif

TEST_CASE("each call ends with a named error when the manager has died") {
  const leak_guard guard;
  manager m;
  auto d = m.make_dict<int, int>();
  auto l = m.make_list<int>();
  auto q = m.make_queue<int>();
  auto c = m.make_counter();
  auto blocked = std::async(std::launch::async, [&] { q.get(); });
  REQUIRE(eventually([&] { return c.add() > 3; }));
  ::kill(m.pid(), SIGKILL);
  CHECK_THROWS_AS(blocked.get(), manager_lost);
  check_lost([&] { d.put(1, 1); });
  check_lost([&] { l.items(); });
  check_lost([&] { q.put(1); });
  check_lost([&] { q.join(1s); });
  check_lost([&] { c.add(); });
  check_lost([&] { m.make_counter(); });
  check_lost([&] { m.serve_at("@never", key); });
  CHECK(eventually([&] { return !m.is_alive(); }));
}

TEST_CASE("a proxy outlives its manager's object and says so") {
  const leak_guard guard;
  std::optional<managed_counter> c;
  {
    manager m;
    c = m.make_counter();
    CHECK(c->add() == 1);
  }
  CHECK_THROWS_AS(c->add(), manager_lost);
}

TEST_CASE("a proxy of another manager's object is refused where there is none") {
  const leak_guard guard;
  manager m;
  auto list = m.make_list<int>();
  CHECK_THROWS_AS(detail::unpacked<int>("x"), codec_error);
  process child{[](managed_list<int> l) {
                  for (int i = 0; i < 100; ++i)
                    l.push_back(i);
                  ::kill(::getpid(), SIGKILL);
                },
                list};
  child.start();
  child.join();
  CHECK(list.size() == 100); // what a dead client did is done
}

TEST_CASE("other programs enter by address and key, and hold the same objects") {
  const leak_guard guard;
  const auto address = "@bulkhead-manager-" + std::to_string(::getpid());
  manager m;
  m.serve_at(address, key);
  CHECK_THROWS_WITH_AS(m.serve_at(address, key), doctest::Contains("is in use"), config_error);
  CHECK_THROWS_AS(m.serve_at("@other", "short"), config_error);
  m.make_dict<std::string, int>("ports").put("web", 80);
  process other{[](std::string at, std::string secret) {
                  auto found = connect_manager(at, secret);
                  auto ports = found.make_dict<std::string, int>("ports");
                  ports.put("mail", ports.get("web").value() - 55);
                  found.make_queue<std::string>(0, "done").put("yes");
                },
                address, key};
  other.start();
  CHECK(m.make_queue<std::string>(0, "done").get(long_enough) == "yes");
  CHECK(m.make_dict<std::string, int>("ports").get("mail") == 25);
  CHECK_THROWS_AS(connect_manager(address, "not the right key, but long"), authentication_error);
  CHECK_THROWS_AS(connect_manager("@bulkhead-nobody", key), pipe_closed);
}

TEST_CASE("a manager's process has its limits and never ends by itself") {
  const leak_guard guard;
  CHECK_THROWS_AS(manager{process_options{.daemon = false}}, config_error);
  manager m{{.name = "shop", .nice = 1}};
  CHECK(active_children().back().name == "shop");
  CHECK(m.make_counter().value() == 0);
}

TEST_CASE("a manager that serves as many calls as it can says so to the next one") {
  constexpr int most = 1024;
  constexpr int beyond = 16;
  rlimit files{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &files) == 0);
  if (files.rlim_cur < 4 * most) {
    MESSAGE("RLIMIT_NOFILE is too low for so many calls: nothing was tested");
    return;
  }
  const leak_guard guard;
  std::optional<manager> m{std::in_place};
  auto q = m->make_queue<int>();
  std::atomic<int> waiting{0}, refused{0}, lost{0};
  std::vector<std::jthread> callers;
  for (int i = 0; i < most + beyond; ++i)
    callers.emplace_back([&] {
      ++waiting;
      try {
        static_cast<void>(q.get());
      } catch (const manager_lost&) {
        ++lost;
      } catch (const error& e) {
        refused += std::string{e.what()}.find("as many calls as it can") != std::string::npos;
      }
    });
  CHECK(eventually([&] { return waiting == most + beyond && refused == beyond; }));
  m.reset();
  callers.clear();
  CHECK(refused == beyond);
  CHECK(lost == most);
}
