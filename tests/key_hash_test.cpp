// ctest-label: fault
// ctest-timeout: 120
// Tasks with a key: one worker each key, in order, whoever else is busy, dies or joins.
#include "tests/support/eventually.hpp"
#include "tests/support/leak_guard.hpp"
#include "tests/support/temporary_folder.hpp"

#include <bulkhead/pool.hpp>

#include <doctest/doctest.h>

#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

using namespace bulkhead;
using namespace std::chrono_literals;
using bulkhead::tests::leak_guard;

namespace {

struct place {
  pid_t pid = 0;
  int turn = 0; ///< of that process

  template <class Inspector>
  friend bool inspect(Inspector& f, place& p) {
    return f.object(p).fields(f.field("pid", p.pid), f.field("turn", p.turn));
  }
};

place here() {
  static int turns = 0;
  return {::getpid(), turns++};
}

place wait_for_file(const std::string& file) {
  while (!std::filesystem::exists(file))
    ::usleep(1000);
  return here();
}

pool_options by_key(std::size_t workers) {
  pool_options o;
  o.workers = workers;
  o.dispatch = dispatch_policy::key_hash;
  return o;
}

std::string key_of(int i) { return "key " + std::to_string(i % 7); }

/// Two keys that two different workers own.
std::pair<std::string, std::string> keys_apart(pool& p) {
  const auto first = p.with({.key = "key 0"}).apply(here).pid;
  for (int i = 1;; ++i)
    if (const auto key = "key " + std::to_string(i); p.with({.key = key}).apply(here).pid != first)
      return {"key 0", key};
}

} // namespace

TEST_CASE("equal keys go to one worker, in order") {
  const leak_guard guard;
  pool p{by_key(3)};
  std::vector<future<place>> all;
  for (int i = 0; i < 2000; ++i)
    all.push_back(p.with({.key = key_of(i)}).submit(here));
  std::map<std::string, place> last;
  for (int i = 0; i < 2000; ++i) {
    const auto at = all[static_cast<std::size_t>(i)].get();
    const auto [entry, fresh] = last.try_emplace(key_of(i), at);
    if (fresh)
      continue;
    CHECK(entry->second.pid == at.pid);
    CHECK(entry->second.turn < at.turn);
    entry->second = at;
  }
}

TEST_CASE("who waits for a busy worker keeps no other key waiting") {
  const leak_guard guard;
  const testing::temporary_folder folder;
  const auto file = (folder.path() / "go on").string();
  pool p{by_key(2)};
  const auto [hot, cold] = keys_apart(p);
  auto busy = p.with({.key = hot}).submit(wait_for_file, file);
  std::vector<future<place>> behind;
  for (int i = 0; i < 5000; ++i)
    behind.push_back(p.with({.key = hot}).submit(here));
  for (int i = 0; i < 500; ++i)
    CHECK(p.with({.key = cold}).apply(here).pid != 0); // while the others wait
  CHECK(!busy.ready());
  folder.write("go on", "");
  const auto owner = busy.get().pid;
  int last = -1;
  for (auto& f : behind) {
    const auto at = f.get();
    CHECK(at.pid == owner);
    CHECK(at.turn > last);
    last = at.turn;
  }
}

TEST_CASE("keys move on when their worker dies, or another joins: each task runs once") {
  const leak_guard guard;
  const testing::temporary_folder folder;
  const auto file = (folder.path() / "go on").string();
  auto o = by_key(2);
  o.retries = 5;
  pool p{o};
  const auto [one, other] = keys_apart(p);
  const auto doomed = p.with({.key = one}).apply(here).pid;
  std::vector<future<place>> waiting;
  waiting.push_back(p.with({.key = one}).submit(wait_for_file, file));
  waiting.push_back(p.with({.key = other}).submit(wait_for_file, file));
  for (int i = 0; i < 1000; ++i)
    waiting.push_back(p.with({.key = key_of(i)}).submit(here));
  REQUIRE(::kill(doomed, SIGKILL) == 0);
  p.resize(4);
  folder.write("go on", "");
  std::set<std::pair<pid_t, int>> turns;
  for (auto& f : waiting) {
    REQUIRE(f.wait(60s));
    const auto at = f.get();
    CHECK(at.pid != doomed);
    CHECK(turns.emplace(at.pid, at.turn).second);
  }
}
