// ctest-timeout: 120
// ctest-label: fault
#include "tests/support/eventually.hpp"
#include "tests/support/host_system.hpp"
#include "tests/support/leak_guard.hpp"
#include "tests/support/temporary_folder.hpp"

#include <bulkhead/error.hpp>
#include <bulkhead/keep_state.hpp>
#include <bulkhead/supervisor.hpp>

#include <caf/event_based_actor.hpp>
#include <caf/scoped_actor.hpp>
#include <doctest/doctest.h>

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <utility>

namespace {

using namespace std::chrono_literals;
using namespace bulkhead;
using bulkhead::testing::temporary_folder;
using bulkhead::tests::ask;
using bulkhead::tests::eventually;
using bulkhead::tests::host_system;
using bulkhead::tests::leak_guard;

/// tests/support/programs/ledger_host.cpp as a child, its output read line by line.
class ledger_host {
public:
  ledger_host(const std::filesystem::path& folder, const char* what) {
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    std::string name = "ledger_host";
    std::string where = folder.string();
    std::string word = what;
    char* arguments[] = {name.data(), where.data(), word.data(), nullptr};
    REQUIRE(posix_spawn(&pid_, BULKHEAD_TEST_PROGRAM_DIR "/ledger_host", &actions, nullptr,
                        arguments, environ)
            == 0);
    posix_spawn_file_actions_destroy(&actions);
    ::close(ends[1]);
    out_ = ::fdopen(ends[0], "r");
  }
  ~ledger_host() {
    end(SIGKILL);
    std::fclose(out_);
  }
  ledger_host(const ledger_host&) = delete;
  ledger_host& operator=(const ledger_host&) = delete;

  /// Empty at the end of the output.
  std::string line() {
    char text[1024];
    return std::fgets(text, sizeof text, out_) != nullptr ? text : "";
  }
  /// The last whole number of what it still says.
  long last_number(long before) {
    for (std::string text = line(); !text.empty(); text = line())
      if (text.back() == '\n')
        before = std::stol(text);
    return before;
  }
  int end(int signal) {
    if (pid_ == 0)
      return 0;
    if (signal != 0)
      ::kill(pid_, signal);
    int status = 0;
    ::waitpid(std::exchange(pid_, 0), &status, 0);
    return status;
  }

private:
  pid_t pid_ = 0;
  std::FILE* out_ = nullptr;
};

caf::behavior book(caf::event_based_actor* self, const std::string& last) {
  return {
    [self](const std::string& text) {
      auto promise = self->make_response_promise<std::string>();
      keep_state(self, text)
        .then([promise]() mutable { promise.deliver(std::string{"kept"}); },
              [self, promise](const caf::error& why) mutable {
                promise.deliver(actors::render(self->system(), why));
              });
      return promise;
    },
    [last](caf::get_atom) { return last; },
  };
}

child_spec kept_book() {
  child_spec spec{"book", child(book, "first")};
  spec.state_limit = 1 << 20;
  return spec;
}

std::string refusal_of(pool& workers, const std::filesystem::path& folder) {
  try {
    supervisor{workers, {.journal = folder}, {kept_book()}};
  } catch (const config_error& e) {
    return e.what();
  }
  return "nothing was refused";
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

} // namespace

TEST_CASE("no acknowledged count is lost when the host is killed, again and again") {
  const temporary_folder folder;
  std::mt19937 random{7};
  const char* given = std::getenv("BULKHEAD_JOURNAL_ROUNDS"); // many by hand
  const int rounds = given != nullptr ? std::atoi(given) : 5;
  long acknowledged = 0;
  for (int round = 0; round < rounds; ++round) {
    {
      ledger_host host{folder.path() / "journal", "write"};
      const auto enough = std::uniform_int_distribution{1, 200}(random);
      for (int i = 0; i < enough; ++i)
        acknowledged = std::stol(host.line());
      host.end(SIGKILL);
      acknowledged = host.last_number(acknowledged);
    }
    ledger_host checker{folder.path() / "journal", "read"};
    const auto kept = std::stol(checker.line());
    CHECK(checker.end(0) == 0);
    CHECK(kept >= acknowledged);
    CHECK(kept <= acknowledged + 1); // one was on its way
    acknowledged = kept;
  }
  CHECK(acknowledged >= rounds);
}

TEST_CASE("a journal is one host's at a time, and is refused with the reason where it is none") {
  leak_guard guard;
  host_system host;
  pool workers{*host.system, {.workers = 1, .actor_workers = 1}};
  const temporary_folder folder;
  {
    ledger_host other{folder.path(), "write"};
    REQUIRE_FALSE(other.line().empty());
    CHECK(has(refusal_of(workers, folder.path()), "in use by another process"));
    other.end(SIGKILL);
  }
  const auto file = folder.write("file", "text");
  CHECK(has(refusal_of(workers, file), "no folder and cannot be made"));
  std::filesystem::create_directory(folder.path() / "odd");
  std::ofstream(folder.path() / "odd" / "snapshots.sqlite") << std::string(4096, 'x');
  CHECK(has(refusal_of(workers, folder.path() / "odd"), "not a database"));
}

TEST_CASE("supervisors below keep their children in the journal above, each under its path") {
  leak_guard guard;
  const temporary_folder folder;
  const auto tree = [&](pool& workers) {
    return supervisor{workers,
                      {.name = "top", .journal = folder.path() / "a" / "b"},
                      {kept_book(), {"in", child(supervisor_options{}, {kept_book()})}}};
  };
  const std::string large(1 << 20, 'y');
  for (const bool first : {true, false}) {
    host_system host;
    pool workers{*host.system, {.workers = 1, .actor_workers = 1}};
    auto top = tree(workers);
    caf::scoped_actor self{*host.system};
    CHECK(ask<std::string>(self, top.child("book"), caf::get_atom_v) == (first ? "first" : "x"));
    CHECK(ask<std::string>(self, top.child("in/book"), caf::get_atom_v)
          == (first ? "first" : large));
    CHECK(top.which_children()[0].snapshots == (first ? 0 : 1));
    if (first) {
      CHECK(ask<std::string>(self, top.child("book"), std::string{"x"}) == "kept");
      CHECK(ask<std::string>(self, top.child("in/book"), large) == "kept");
    }
  }
}
