// ctest-timeout: 180
// ctest-label: fault
#include "tests/support/eventually.hpp"
#include "tests/support/host_system.hpp"
#include "tests/support/leak_guard.hpp"
#include "tests/support/temporary_folder.hpp"

#include <bulkhead/error.hpp>
#include <bulkhead/supervisor.hpp>

#include <caf/actor_system.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/scoped_actor.hpp>
#include <doctest/doctest.h>

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace {

using namespace std::chrono_literals;
using namespace bulkhead;
using bulkhead::testing::temporary_folder;
using bulkhead::tests::ask;
using bulkhead::tests::eventually;
using bulkhead::tests::host_system;
using bulkhead::tests::leak_guard;

caf::behavior player(caf::event_based_actor* self) {
  return {
    [](caf::get_atom) { return static_cast<std::int32_t>(::getpid()); },
    [](caf::add_atom) { ::raise(SIGKILL); },
    [self](caf::put_atom) { self->quit(); },
    [](std::int32_t x) { return x + 1; },
  };
}

/// What the file of its argument says: starts, throws or never ends.
caf::behavior moody(caf::event_based_actor* self, const std::string& file) {
  std::string mood;
  std::ifstream{file} >> mood;
  if (mood == "throws")
    throw std::runtime_error("in no mood");
  if (mood == "hangs")
    for (;;)
      ::pause();
  return player(self);
}

/// What a supervisor has told, in order.
class story {
public:
  supervisor_options told_by(restart_strategy strategy, std::size_t most) {
    supervisor_options o;
    o.strategy = strategy;
    o.max_restarts = most;
    o.within = 1h;
    o.backoff_initial = 1ms;
    o.backoff_max = 20ms;
    o.on_event = [to = told_](const supervision_event& e) {
      const std::lock_guard lock{to->mutex};
      to->lines.push_back(e.child + ' ' + std::string(to_string(e.kind)));
      to->texts += e.text + '\n';
    };
    return o;
  }
  std::size_t count(const std::string& line) const {
    const std::lock_guard lock{told_->mutex};
    return static_cast<std::size_t>(std::count(told_->lines.begin(), told_->lines.end(), line));
  }
  bool tells(const std::string& part) const {
    const std::lock_guard lock{told_->mutex};
    return told_->texts.find(part) != std::string::npos;
  }

private:
  struct telling {
    std::mutex mutex;
    std::vector<std::string> lines;
    std::string texts;
  };
  /// Shared, since the last events are told when the supervisor is gone.
  std::shared_ptr<telling> told_ = std::make_shared<telling>();
};

class mood_file {
public:
  mood_file() : path_((folder_.path() / "mood").string()) {}
  const std::string& path() const { return path_; }
  /// In one step: whoever reads it meanwhile reads the old mood or the new one.
  void set(const char* mood) const {
    std::ofstream{path_ + ".new"} << mood;
    std::filesystem::rename(path_ + ".new", path_);
  }

private:
  temporary_folder folder_;
  std::string path_;
};

child_spec lone(std::string id) { return {std::move(id), child(placement::own_process, player)}; }

child_spec moody_child(std::string id, const mood_file& file, std::chrono::nanoseconds patience) {
  actor_options how;
  how.start_timeout = patience;
  return {std::move(id), child(placement::own_process, moody, file.path()).with(how)};
}

child_info info_of(const supervisor& s, const std::string& id) {
  for (auto& c : s.which_children())
    if (c.id == id)
      return c;
  return {};
}

bool all_run(const supervisor& s) {
  const auto all = s.which_children();
  return std::all_of(all.begin(), all.end(),
                     [](const auto& c) { return c.status == child_status::running; });
}

pool_options one_worker() {
  pool_options o;
  o.workers = 1;
  o.actor_workers = 1;
  return o;
}

} // namespace

TEST_CASE("a start that hangs has failed at its deadline, and those before it are stopped again") {
  leak_guard guard;
  host_system host;
  pool workers{*host.system, one_worker()};
  const mood_file file;
  file.set("hangs");
  story told;
  try {
    supervisor s{workers,
                 told.told_by(restart_strategy::one_for_one, 1),
                 {lone("first"), moody_child("second", file, 200ms), lone("third")}};
    FAIL("it started");
  } catch (const supervision_error& e) {
    CHECK(e.fault() == supervision_fault::start_failed);
    CHECK(std::string(e.what()).find("did not start within 200 ms") != std::string::npos);
  }
  CHECK(eventually([&] { return told.count("first stopped") == 1; }));
  CHECK(told.count("third started") == 0);
  CHECK(eventually([&] { return workers.workers().size() == 1; })); // that of tasks
}

TEST_CASE("a child that hangs or fails at its restart is tried again, each attempt counts") {
  leak_guard guard;
  host_system host;
  pool workers{*host.system, one_worker()};
  caf::scoped_actor self{*host.system};
  for (const auto strategy : {restart_strategy::one_for_one, restart_strategy::rest_for_one,
                              restart_strategy::one_for_all}) {
    CAPTURE(to_string(strategy));
    const mood_file file;
    file.set("starts");
    story told;
    supervisor s{
      workers, told.told_by(strategy, 1000), {lone("a"), moody_child("b", file, 100ms), lone("c")}};
    file.set("throws");
    self->send(s.child("b"), caf::add_atom_v);
    REQUIRE(eventually([&] { return told.count("b start_failed") >= 2; }));
    CHECK(told.tells("in no mood"));
    file.set("hangs");
    REQUIRE(eventually([&] { return told.tells("did not start within 100 ms"); }));
    file.set("starts");
    REQUIRE(eventually([&] { return info_of(s, "b").incarnations == 2 && all_run(s); }));
    // As in OTP each attempt of one_for_all begins with those before it.
    const bool a_too = strategy == restart_strategy::one_for_all;
    CHECK((a_too ? info_of(s, "a").incarnations > 2 : info_of(s, "a").incarnations == 1));
    CHECK(info_of(s, "c").incarnations == (strategy == restart_strategy::one_for_one ? 1 : 2));
    CHECK(ask<std::int32_t>(self, s.child("b"), 1) == 2);
  }
}

TEST_CASE("another child that fails while its sibling is restarted is tried again in its place") {
  leak_guard guard;
  host_system host;
  pool workers{*host.system, one_worker()};
  caf::scoped_actor self{*host.system};
  for (const auto strategy : {restart_strategy::rest_for_one, restart_strategy::one_for_all}) {
    CAPTURE(to_string(strategy));
    const mood_file file;
    file.set("starts");
    story told;
    supervisor s{
      workers, told.told_by(strategy, 1000), {lone("a"), moody_child("b", file, 10s), lone("c")}};
    file.set("throws");
    self->send(s.child("a"), caf::add_atom_v);
    REQUIRE(eventually([&] { return told.count("b start_failed") >= 3; }));
    file.set("starts");
    REQUIRE(eventually([&] { return info_of(s, "c").incarnations >= 2 && all_run(s); }));
    CHECK(info_of(s, "b").incarnations >= 2);
    CHECK(ask<std::int32_t>(self, s.child("c"), 1) == 2);
  }
}

TEST_CASE("a child that can never start again ends its supervisor, which says why") {
  leak_guard guard;
  host_system host;
  pool workers{*host.system, one_worker()};
  caf::scoped_actor self{*host.system};
  const mood_file file;
  file.set("starts");
  story told;
  supervisor s{workers,
               told.told_by(restart_strategy::one_for_one, 4),
               {lone("a"), moody_child("b", file, 10s)}};
  file.set("throws");
  self->send(s.child("b"), caf::add_atom_v);
  CHECK(eventually([&] { return told.count(" ended") == 1; }));
  CHECK(told.count("b start_failed") == 4);
  CHECK(told.count(" gave_up") == 1);
  CHECK(told.count("a stopped") == 1);
}

// As in OTP: what was stopped for the failed restart stays down until somebody asks.
TEST_CASE("terminate_child ends a restart that fails, and the siblings stay as they are") {
  leak_guard guard;
  host_system host;
  pool workers{*host.system, one_worker()};
  caf::scoped_actor self{*host.system};
  const mood_file file;
  file.set("starts");
  story told;
  supervisor s{workers,
               told.told_by(restart_strategy::one_for_all, 100000),
               {lone("a"), moody_child("b", file, 10s), lone("c")}};
  file.set("throws");
  self->send(s.child("b"), caf::add_atom_v);
  REQUIRE(eventually([&] { return told.count("b start_failed") >= 1; }));
  s.terminate_child("b");
  CHECK(info_of(s, "b").status == child_status::undefined);
  CHECK(info_of(s, "c").status == child_status::undefined);
  file.set("starts");
  s.restart_child("c");
  s.restart_child("b");
  CHECK(eventually([&] { return all_run(s); }));
}

TEST_CASE("temporary children come and go by the hundred, and none is remembered") {
  leak_guard guard;
  host_system host;
  pool_options options;
  options.workers = 1;
  options.actor_workers = 4;
  pool workers{*host.system, options};
  caf::scoped_actor self{*host.system};
  const char* given = std::getenv("BULKHEAD_TEMPORARY_CHILDREN"); // thousands by hand
  const auto number = given != nullptr ? std::strtoul(given, nullptr, 10) : 400ul;
  supervisor s{workers,
               {.strategy = restart_strategy::simple_one_for_one},
               {{"pattern", child(player), restart_type::temporary}}};
  std::vector<caf::actor> all;
  for (unsigned long i = 0; i < number; ++i)
    all.push_back(s.start_child());
  CHECK(s.count_children().active == number);
  for (std::size_t i = 0; i < all.size(); i += 2)
    self->send(all[i], caf::put_atom_v);
  CHECK(eventually([&] { return s.which_children().size() == all.size() / 2; }));
  // A worker takes its share of them along; they are temporary, so nobody comes back.
  self->send(all[1], caf::add_atom_v);
  CHECK(eventually([&] {
    const auto n = s.count_children();
    return n.specs == n.active && n.specs < all.size() / 2 && n.specs > 0;
  }));
  for (const auto& c : s.which_children()) {
    try {
      s.terminate_child(c.id);
    } catch (const supervision_error& e) { // its end was on its way
      CHECK(e.fault() == supervision_fault::not_found);
    }
  }
  CHECK(s.which_children().empty());
  CHECK(s.start_child());
}
