// ctest-timeout: 120
#include "actors/wire/ring_words.hpp"
#include "actors/worker/turn_board.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/host_system.hpp"
#include "tests/support/leak_guard.hpp"

#include "actors/caf/codec.hpp"
#include "actors/caf/worker_system.hpp"
#include "actors/wire/frame.hpp"

#include <bulkhead/actor.hpp>
#include <bulkhead/error.hpp>
#include <bulkhead/queue.hpp>
#include <bulkhead/spawn_pool.hpp>

#include <caf/event_based_actor.hpp>
#include <caf/scoped_actor.hpp>
#include <doctest/doctest.h>

#include <dirent.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <fstream>
#include <limits>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

// Actor workers from their start to their end: what fails leaves nothing, what lies harms nobody.

namespace {

using namespace std::chrono_literals;
using namespace bulkhead::tests;
using bulkhead::placement;

bulkhead::pool_options small(std::size_t actor_workers = 1) {
  bulkhead::pool_options o;
  o.workers = 1;
  o.actor_workers = actor_workers;
  return o;
}

caf::behavior throwing(caf::event_based_actor*) { throw std::runtime_error("no such account"); }

caf::behavior echo(caf::event_based_actor* self) {
  return {
    [](int x) { return x; },
    [](caf::get_atom) { return static_cast<std::int32_t>(::getpid()); },
    [self](caf::close_atom) { self->quit(); },
    [self](caf::put_atom, const caf::actor& to, int count) {
      for (int i = 0; i < count; ++i)
        self->send(to, i);
      self->quit();
    },
  };
}

std::size_t actor_workers_of(const bulkhead::pool& p) {
  std::size_t count = 0;
  for (const auto& w : p.workers())
    count += w.kind == bulkhead::worker_kind::actors ? 1 : 0;
  return count;
}

int open_descriptors() {
  auto* folder = ::opendir("/proc/self/fd");
  REQUIRE(folder != nullptr);
  int count = 0;
  while (::readdir(folder) != nullptr)
    ++count;
  ::closedir(folder);
  return count;
}

/// The words of this worker, at which its host looks.
bulkhead::actors::ring_words* own_words() {
  std::ifstream maps{"/proc/self/maps"};
  for (std::string line; std::getline(maps, line);)
    if (line.find("memfd:bulkhead-actor-worker") != std::string::npos)
      return reinterpret_cast<bulkhead::actors::ring_words*>(std::stoul(line, nullptr, 16));
  return nullptr;
}

/// Says hello as another, and nothing more.
void says_another_hello(const std::vector<char>& node) {
  using namespace bulkhead::actors;
  auto* words = own_words();
  auto* ring = reinterpret_cast<std::byte*>(words) + ring_words_bytes;
  byte_buf frame;
  begin_frame(frame);
  frame.insert(frame.end(), node.begin(), node.end());
  finish_frame(frame, frame_kind::hello, {.source_peer = 1});
  const std::uint64_t length = frame.size();
  std::memcpy(ring, &length, sizeof length);
  std::memcpy(ring + sizeof length, frame.data(), frame.size());
  words->tail.store(sizeof length + ((frame.size() + 7) & ~std::size_t{7}));
  for (int fd = 3; fd < 256; ++fd) {
    const std::uint64_t one = 1;
    char name[64] = {};
    const auto path = "/proc/self/fd/" + std::to_string(fd);
    if (::readlink(path.c_str(), name, sizeof name - 1) > 0
        && std::strncmp(name, "anon_inode:[eventfd]", 20) == 0)
      static_cast<void>(::write(fd, &one, sizeof one));
  }
  ::pause();
}

caf::behavior boaster(caf::event_based_actor*) {
  return {[](caf::put_atom) {
    auto* words = own_words();
    auto* rows = reinterpret_cast<bulkhead::actors::actor_row*>(reinterpret_cast<std::byte*>(words)
                                                                + bulkhead::actors::rows_offset);
    for (int i = 100; i < 200; ++i) {
      rows[i].busy = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
      rows[i].actor = static_cast<std::uint64_t>(i) << 40;
    }
    words->since = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::min());
    words->turn = 1'000'001;
    return true;
  }};
}

} // namespace

TEST_CASE("a worker of its own whose actor cannot be started ends") {
  const leak_guard guard;
  host_system h;
  bulkhead::pool p{*h.system, small()};
  for (int i = 0; i < 3; ++i)
    CHECK_THROWS_AS(p.spawn(placement::own_process, throwing), bulkhead::error);
  CHECK(eventually([&] { return actor_workers_of(p) == 0; }));
  caf::scoped_actor self{*h.system};
  CHECK(ask<int>(self, p.spawn(placement::own_process, echo), 7) == 7);
}

TEST_CASE("a launch that fails for lack of descriptors leaves none behind") {
  const leak_guard guard;
  host_system h;
  auto options = small();
  options.output = bulkhead::output_mode::capture;
  bulkhead::pool p{*h.system, options};
  caf::scoped_actor self{*h.system};
  CHECK(ask<int>(self, p.spawn(placement::own_process, echo), 7) == 7); // all is open that stays
  CHECK(eventually([&] { return actor_workers_of(p) == 0; }));
  const auto before = open_descriptors();
  rlimit limit{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &limit) == 0);
  int failures = 0;
  bool started = false;
  for (rlim_t most = 8; !started && most < 512; ++most) {
    auto fewer = limit;
    fewer.rlim_cur = most;
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &fewer) == 0);
    try {
      p.spawn(placement::own_process, echo);
      started = true;
    } catch (const std::exception&) {
      ++failures;
    }
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &limit) == 0);
    CHECK(eventually([&] { return actor_workers_of(p) == 0 && open_descriptors() <= before; }));
  }
  CHECK(started);
  CHECK(failures > 3);
}

TEST_CASE("the end of a system ends workers that had their grace") {
  const leak_guard guard;
  host_system h;
  auto options = small();
  options.grace = 100s;
  pid_t pid = 0;
  {
    const auto instances =
      bulkhead::spawn_pool(*h.system, options, [](caf::event_based_actor* self) -> caf::behavior {
        self->set_exit_handler([](caf::exit_msg&) {}); // takes its time
        return {[](caf::get_atom) { return static_cast<std::int32_t>(::getpid()); }};
      });
    caf::scoped_actor self{*h.system};
    pid = ask<std::int32_t>(self, instances, caf::get_atom_v);
  }
  REQUIRE(pid > 0);
  h.system = nullptr;
  CHECK(::kill(pid, 0) != 0);
}

TEST_CASE("a function on an actor's end that throws holds nobody up") {
  const leak_guard guard;
  host_system h;
  bulkhead::pool p{*h.system, small()};
  const auto ends = p.spawn(echo);
  const auto stays = p.spawn(echo);
  caf::scoped_actor self{*h.system};
  std::atomic<bool> heard = false;
  ends->attach_functor([&heard](const caf::error&) {
    heard = true;
    throw std::runtime_error("the user's");
  });
  self->send(ends, caf::close_atom_v);
  CHECK(eventually([&] { return heard.load(); }));
  CHECK(ask<int>(self, stays, 7) == 7);
}

TEST_CASE("a worker that says hello as another harms no other") {
  const leak_guard guard;
  host_system h;
  bulkhead::actors::byte_buf bytes;
  bulkhead::actors::resolve_handle none;
  bulkhead::actors::codec{*h.system, none}.encode(bytes,
                                                  bulkhead::actors::node_for(h.system->node(), 2));
  auto options = small();
  options.initializer =
    bulkhead::call(says_another_hello, std::vector<char>(bytes.begin(), bytes.end()));
  bulkhead::pool bad{*h.system, options};
  std::thread victim{[&] { CHECK_THROWS_AS(bad.spawn(echo), bulkhead::worker_died); }};
  bulkhead::pool good{*h.system, small()};
  CHECK(eventually([&] { return bad.stats().bad_messages == 1; }));
  victim.join();
  caf::scoped_actor self{*h.system};
  CHECK(ask<int>(self, good.spawn(echo), 7) == 7);
}

TEST_CASE("initializer and finalizer of actor workers have the queues that they were given") {
  const leak_guard guard;
  const auto say = [](bulkhead::queue<std::pair<pid_t, std::string>> to, const std::string& what) {
    to.put({::getpid(), what});
    if (what == "ends")
      throw 7; // goes to stderr, and the worker ends in order
  };
  bulkhead::queue<std::pair<pid_t, std::string>> said;
  host_system h;
  auto options = small();
  options.initializer = bulkhead::call(say, said, "begins");
  options.finalizer = bulkhead::call(say, said, "ends");
  bulkhead::pool p{*h.system, options};
  caf::scoped_actor self{*h.system};
  auto one = p.spawn(placement::own_process, echo); // its worker ends with it
  CHECK(ask<int>(self, one, 7) == 7);
  caf::anon_send_exit(one, caf::exit_reason::user_shutdown);
  one = nullptr;
  std::map<pid_t, std::vector<std::string>> words; // the worker for tasks only begins
  for (int i = 0; i < 3; ++i)
    if (auto each = said.get(60s))
      words[each->first].push_back(each->second);
  CHECK(words.size() == 2);
  CHECK(std::ranges::any_of(words, [](const auto& each) {
    return each.second == std::vector<std::string>{"begins", "ends"};
  }));
}

TEST_CASE("no worker is told to have worked longer than it has lived") {
  const leak_guard guard;
  host_system h;
  bulkhead::pool p{*h.system, small()};
  const auto liar = p.spawn(boaster);
  caf::scoped_actor self{*h.system};
  CHECK(ask<bool>(self, liar, caf::put_atom_v));
  for (const auto& w : p.workers())
    CHECK((w.busy >= 0ns && w.busy < 1h));
  for (const auto& a : p.actors()) {
    CHECK((a.busy >= 0ns && a.busy < 1h));
    CHECK((a.in_hand >= 0ns && a.in_hand < 1h));
  }
}

TEST_CASE("a start that the host has taken back is over: what runs next is no start") {
  auto words = std::make_unique<bulkhead::actors::ring_words>();
  auto host = std::make_unique<bulkhead::actors::ring_words>();
  std::vector<bulkhead::actors::actor_row> rows(4);
  std::vector<bulkhead::actors::turn_note> notes(2);
  bulkhead::actors::turn_board board{*words, rows, notes, *host};
  CHECK(board.begins_start(1));
  CHECK(words->starting != words->started);
  board.ends_start(1);
  CHECK(words->starting == words->started);
  CHECK(words->actors == 1);
  host->withdrawn[2] = 2;
  CHECK_FALSE(board.begins_start(2));
  CHECK(words->starting == words->started);
}

TEST_CASE("turns are noted for as long as somebody looks on, the last ones") {
  auto words = std::make_unique<bulkhead::actors::ring_words>();
  auto host = std::make_unique<bulkhead::actors::ring_words>();
  std::vector<bulkhead::actors::actor_row> rows(4);
  std::vector<bulkhead::actors::turn_note> notes(2);
  bulkhead::actors::turn_board board{*words, rows, notes, *host};
  const auto handle = [&](std::uint64_t actor) {
    board.begins(actor);
    board.ends(actor, "one", 0);
  };
  handle(7);
  CHECK(words->noted == 0);
  host->watched_until = UINT64_MAX;
  for (const std::uint64_t actor : {1, 2, 3})
    handle(actor);
  CHECK(words->noted == 3);
  CHECK(notes[0].number == 3);
  CHECK(notes[0].actor == 3);
  CHECK(notes[1].number == 2);
  CHECK(notes[1].actor == 2);
}

TEST_CASE("actors go where the fewest live, not where the fewest were ever started") {
  const leak_guard guard;
  host_system h;
  bulkhead::pool p{*h.system, small(2)};
  caf::scoped_actor self{*h.system};
  const auto pid_of = [&](const caf::actor& a) {
    return ask<std::int32_t>(self, a, caf::get_atom_v);
  };
  std::vector<caf::actor> all;
  all.reserve(6);
  for (int i = 0; i < 6; ++i)
    all.push_back(p.spawn(echo));
  const auto emptied = pid_of(all[0]);
  std::set<pid_t> homes;
  for (const auto& a : all) {
    const auto pid = pid_of(a);
    homes.insert(pid);
    if (pid != emptied)
      continue;
    self->monitor(a);
    self->send(a, caf::close_atom_v);
    self->receive([](const caf::down_msg&) {});
  }
  CHECK(homes.size() == 2);
  CHECK(eventually([&] { // the worker counts its actors between two turns
    for (const auto& a : p.actors())
      if (a.pid == emptied)
        return false;
    return true;
  }));
  std::vector<caf::actor> more;
  more.reserve(3);
  for (int i = 0; i < 3; ++i) {
    more.push_back(p.spawn(echo));
    CHECK(pid_of(more.back()) == emptied);
  }
}
