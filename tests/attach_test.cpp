// ctest-link: bulkhead_observe
// ctest-needs: bulkhead_cli
// ctest-timeout: 120
// Programs that are looked at from outside: by bulkhead events, stack and top, the last in tmux.
#include "observe/attach/attach_socket.hpp"
#include "tests/support/command.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/leak_guard.hpp"

#include <bulkhead/bulkhead.hpp>
#include <bulkhead/observe.hpp>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

using namespace bulkhead;
using namespace std::chrono_literals;
using nlohmann::json;
using testing::command;
using tests::eventually;

namespace {

int twice(int x) { return 2 * x; }
BULKHEAD_TASK("test.twice", twice)

[[gnu::noinline]] int wait_right_here(connection<int> from) { return from.recv(); }
BULKHEAD_TASK("test.wait", wait_right_here)

std::string own_pid() { return std::to_string(::getpid()); }

/// What the process answers to one request.
json ask(const std::string& request) {
  const auto name = observe::detail::attach_name(::getpid());
  sockaddr_un at{};
  at.sun_family = AF_UNIX;
  std::copy(name.begin(), name.end(), at.sun_path + 1);
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  std::string answer;
  if (::connect(fd, reinterpret_cast<sockaddr*>(&at), size) == 0) {
    const auto line = request + '\n';
    ::send(fd, line.data(), line.size(), MSG_NOSIGNAL);
    std::array<char, 65536> piece{};
    for (ssize_t got = 0; (got = ::recv(fd, piece.data(), piece.size(), 0)) > 0;)
      answer.append(piece.data(), static_cast<std::size_t>(got));
  }
  ::close(fd);
  return json::parse(answer, nullptr, false);
}

std::string output_of(const std::string& shell) {
  auto* pipe = ::popen(shell.c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::string text;
  std::array<char, 4096> piece{};
  while (const auto got = std::fread(piece.data(), 1, piece.size(), pipe))
    text.append(piece.data(), got);
  ::pclose(pipe);
  return text;
}

/// A terminal of 110 columns and 30 lines in which a command runs.
class tmux {
public:
  explicit tmux(const std::string& shell) {
    output_of(call_ + "-f /dev/null new-session -d -x 110 -y 30 '" + shell + "'");
  }
  ~tmux() { output_of(call_ + "kill-server 2>/dev/null"); }
  tmux(const tmux&) = delete;
  tmux& operator=(const tmux&) = delete;

  std::string screen() const { return output_of(call_ + "capture-pane -p 2>/dev/null"); }
  void press(const std::string& keys) const { output_of(call_ + "send-keys " + keys); }
  bool shows(const std::string& text) const {
    return eventually([&] { return screen().find(text) != std::string::npos; });
  }

private:
  std::string call_ = "tmux -L bulkhead-test-" + own_pid() + ' ';
};

const std::string program = BULKHEAD_BINARY_DIR "/bin/bulkhead";

} // namespace

TEST_CASE("a pool that opted in answers; when it is closed again, or not open, nobody does") {
  tests::leak_guard guard;
  pool workers({.workers = 1, .name = "open"});
  CHECK(ask("snapshot").is_discarded());
  {
    const observe::attachable open(workers);
    const observe::attachable twice_open(workers);
    const auto seen = ask("snapshot 0 0 0");
    REQUIRE(seen["pools"].size() == 1);
    CHECK(seen["pools"][0]["pool"] == "open");
    const auto key = seen["pools"][0]["key"].dump();
    CHECK(ask("resize " + key + " 3") == json{{"done", "resize"}});
    CHECK(eventually([&] { return workers.workers().size() == 3; }));
    CHECK(ask("kill " + key + " 1").contains("error")); // no worker of this pool
    CHECK(ask("kill " + key + ' ' + own_pid()).contains("error"));
    CHECK(ask("resize 77 1").contains("error"));
    CHECK(ask("nonsense").contains("error"));
    CHECK(ask(std::string(5000, 'x')).is_discarded());
    CHECK(ask("close " + key) == json{{"done", "close"}});
    CHECK_THROWS_AS(workers.submit(twice, 1), pool_closed);
  }
  CHECK(ask("snapshot").is_discarded());
}

TEST_CASE("events are told as they come, until nobody tells any more") {
  tests::leak_guard guard;
  pool workers({.workers = 1, .name = "told"});
  std::optional<observe::attachable> open(workers);
  command events({"events", own_pid(), "--json"});
  ::kill(workers.workers().front().pid, SIGKILL);
  CHECK(events.wait_for_text("\"kind\":\"died\""));
  open.reset();
  CHECK(events.wait() == 0);
  CHECK(json::parse(events.out().substr(0, events.out().find('\n')))["pool"] == "told");
  command nobody({"events", own_pid()});
  CHECK(nobody.wait() == 1);
  CHECK(nobody.err().find("BULKHEAD_OBSERVE=1") != std::string::npos);
}

TEST_CASE("the stack of a worker says where its task stands") {
  tests::leak_guard guard;
  pool workers({.workers = 1});
  auto [in, out] = make_pipe<int>();
  auto waits = workers.submit(wait_right_here, in);
  CHECK(eventually([&] { return workers.workers().front().task != 0; }));
  command stack({"stack", std::to_string(workers.workers().front().pid)});
  if (stack.wait() != 0)
    MESSAGE("skipped: " << stack.err()); // no right to trace here
  else
    CHECK(stack.out().find("wait_right_here") != std::string::npos);
  out.send(1);
  CHECK(waits.get() == 1);
}

TEST_CASE("a program that knows nothing of it is open with BULKHEAD_OBSERVE=1") {
  tests::leak_guard guard;
  ::setenv("BULKHEAD_OBSERVE", "1", 1);
  {
    pool workers({.workers = 1, .name = "unknowing"});
    ::unsetenv("BULKHEAD_OBSERVE");
    workers.map(twice, std::vector<int>(10, 1));
    const auto seen = ask("snapshot 0 0 0");
    REQUIRE(seen["pools"].size() == 1);
    CHECK(seen["pools"][0]["stats"]["succeeded"] == 10);
    command top({"top"}); // no terminal
    CHECK(top.wait() != 1);
  }
  CHECK(eventually([] { return ask("snapshot").is_discarded(); }));
}

TEST_CASE("a pool that is to be looked at is, and says so where it cannot be") {
  tests::leak_guard guard;
  {
    pool workers({.workers = 1, .name = "asked", .observe = true});
    const pool other({.workers = 1, .name = "not asked"});
    const auto seen = ask("snapshot 0 0 0");
    REQUIRE(seen["pools"].size() == 1);
    CHECK(seen["pools"][0]["pool"] == "asked");
    const auto key = seen["pools"][0]["key"].dump();
    const auto worker = std::to_string(workers.workers().front().id);
    CHECK(ask("output " + key + ' ' + worker) == json{{"output", ""}, {"kept", false}});
  }
  CHECK(eventually([] { return ask("snapshot").is_discarded(); }));
  CHECK_THROWS_WITH_AS(pool({.workers = 1, .start = start_method::eager, .observe = true}),
                       doctest::Contains("pool_options::observe is true"), config_error);
}

TEST_CASE("top shows workers, restarts them, filters, shows failures and ends") {
  if (output_of("command -v tmux").empty()) {
    MESSAGE("skipped: there is no tmux");
    return;
  }
  pool workers({.workers = 2, .name = "watched", .output = output_mode::capture});
  const observe::attachable open(workers);
  workers.broadcast([] { std::fputs("words of a worker\n", stderr); });
  workers.try_map([](int) -> int { throw std::runtime_error("on purpose"); }, {1});
  const tmux terminal(program + " top " + own_pid());
  const auto first = workers.workers().front().pid;
  CHECK(terminal.shows("pool 'watched'"));
  CHECK(terminal.shows(std::to_string(first)));
  terminal.press("l"); // of the first one, which is selected
  CHECK(terminal.shows("last output of pid " + std::to_string(first)));
  CHECK(terminal.shows("words of a worker"));
  terminal.press("w");
  CHECK(terminal.shows("state"));
  terminal.press("x");
  CHECK(eventually([&] { return workers.stats().restarts == 1; }));
  CHECK(terminal.shows("1 restarts"));
  terminal.press("f");
  CHECK(terminal.shows("task_exception: on purpose"));
  terminal.press("Enter");
  CHECK(terminal.shows("std::runtime_error"));
  terminal.press("w"); // also takes away the note that names the killed one
  CHECK(
    eventually([&] { return terminal.screen().find(std::to_string(first)) == std::string::npos; }));
  terminal.press("+");
  CHECK(eventually([&] { return workers.workers().size() == 3; }));
  terminal.press("/ n o t h i n g Enter");
  CHECK(terminal.shows("filter: nothing"));
  terminal.press("h");
  CHECK(terminal.shows("drains the pool"));
  terminal.press("q");
  CHECK(eventually([&] { return terminal.screen().empty(); }));
}
