// ctest-timeout: 120
// ctest-label: fault
// Processes that are no relatives: listeners, their keys, and peers that lie.
#include "tests/support/leak_guard.hpp"
#include "tests/support/temporary_folder.hpp"

#include <bulkhead/listener.hpp>
#include <bulkhead/tasks.hpp>

#include <doctest/doctest.h>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstring>
#include <future>
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
const std::string wrong = "another key of sixteen bytes ...";

std::string fresh_name(const char* what) {
  return std::string{"@bulkhead-test-"} + what + "-" + std::to_string(::getpid());
}

/// A peer that speaks by hand.
class raw_socket {
public:
  raw_socket() : fd_(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0)) {}
  explicit raw_socket(int fd) : fd_(fd) {}
  raw_socket(const raw_socket&) = delete;
  raw_socket& operator=(const raw_socket&) = delete;
  ~raw_socket() { ::close(fd_); }

  template <class Call>
  bool at(const std::string& name, Call call) const {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, name.data(), name.size());
    address.sun_path[0] = '\0';
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
    return call(fd_, reinterpret_cast<const sockaddr*>(&address), size) == 0;
  }
  void say(const std::string& bytes) const {
    REQUIRE(::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL)
            == static_cast<ssize_t>(bytes.size()));
  }
  std::string hear() const {
    std::array<char, 256> bytes{};
    const auto count = ::recv(fd_, bytes.data(), bytes.size(), 0);
    return count > 0 ? std::string(bytes.data(), static_cast<std::size_t>(count)) : "";
  }
  int fd() const { return fd_; }

private:
  int fd_;
};

/// What became of a client while `peer` plays the listener.
template <class Play>
std::string client_of(const char* name, Play play) {
  const raw_socket door;
  const auto address = fresh_name(name);
  REQUIRE(door.at(address, ::bind));
  REQUIRE(::listen(door.fd(), 1) == 0);
  auto client = std::async(std::launch::async, [&] {
    try {
      static_cast<void>(connect<int>(address, key, long_enough));
      return std::string{"admitted"};
    } catch (const authentication_error& e) {
      return std::string{e.what()};
    }
  });
  play(raw_socket{::accept4(door.fd(), nullptr, nullptr, SOCK_CLOEXEC)});
  return client.get();
}

/// What became of a raw client of a real listener.
template <class Play>
std::string listener_of(const char* name, Play play) {
  listener door{fresh_name(name), key};
  auto served = std::async(std::launch::async, [&] {
    try {
      static_cast<void>(door.accept<int>());
      return std::string{"admitted"};
    } catch (const authentication_error& e) {
      return std::string{e.what()};
    }
  });
  const raw_socket client;
  REQUIRE(client.at(door.address(), ::connect));
  play(client);
  return served.get();
}

bool has(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }

void echo_to(std::string address, std::string secret) {
  auto line = connect<std::string>(address, secret);
  line.send(line.recv() + "!");
}

const std::string greeting = std::string{"bulkhd01"} + std::string(32, 'n');

} // namespace

TEST_CASE("processes that share an address and a key talk, and hand pipes over") {
  const leak_guard guard;
  listener door{fresh_name("talk"), key};
  process child{echo_to, door.address(), key};
  child.start();
  auto line = door.accept<std::string>();
  line.send("hello");
  CHECK(line.recv() == "hello!");
  child.join();
  CHECK(child.exit_code() == 0);
  CHECK_THROWS_AS(line.recv(), pipe_closed);
  auto caller = std::async(std::launch::async, [&] {
    auto [mine, theirs] = make_pipe<int>();
    connect<connection<int>>(door.address(), key).send(theirs);
    return mine.recv();
  });
  auto brought = door.accept<connection<int>>(long_enough)->recv();
  brought.send(7);
  CHECK(caller.get() == 7);
}

TEST_CASE("nobody is accepted before somebody comes, and wait hears of it") {
  const leak_guard guard;
  listener door{fresh_name("wait"), key};
  CHECK(!door.accept<int>(1ms));
  CHECK(wait({door}, wait_for::any, 0s).done.empty());
  auto caller =
    std::async(std::launch::async, [&] { return connect<int>(door.address(), key).recv(); });
  CHECK(wait({door}, wait_for::any, long_enough).done.size() == 1);
  door.accept<int>().send(3);
  CHECK(caller.get() == 3);
}

TEST_CASE("who has another key is refused on both sides, and the next one is served") {
  const leak_guard guard;
  listener door{fresh_name("key"), key};
  auto stranger =
    std::async(std::launch::async, [&] { return connect<int>(door.address(), wrong); });
  CHECK_THROWS_AS(door.accept<int>(), authentication_error);
  CHECK_THROWS_AS(stranger.get(), authentication_error);
  auto friendly = std::async(std::launch::async, [&] { return connect<int>(door.address(), key); });
  CHECK_NOTHROW(door.accept<int>());
  CHECK_NOTHROW(friendly.get());
}

TEST_CASE("a path is the user's alone, goes with its listener, and is taken from a dead one") {
  const leak_guard guard;
  const testing::temporary_folder folder;
  const auto path = (folder.path() / "door").string();
  CHECK_THROWS_AS(connect<int>(path, key), pipe_closed);
  {
    const listener door{path, key};
    struct stat found {};
    REQUIRE(::stat(path.c_str(), &found) == 0);
    CHECK((found.st_mode & 0777) == 0600);
    CHECK_THROWS_WITH_AS(listener(path, key), doctest::Contains("is in use"), config_error);
  }
  CHECK(::access(path.c_str(), F_OK) != 0);
  process dies{[](std::string at, std::string secret) {
                 const listener door{at, secret};
                 ::kill(::getpid(), SIGKILL);
               },
               path, key};
  dies.start();
  dies.join();
  REQUIRE(::access(path.c_str(), F_OK) == 0);
  CHECK_THROWS_AS(connect<int>(path, key), pipe_closed);
  listener again{path, key};
  CHECK(again.fd() >= 0);
  again.close();
  CHECK(again.fd() == -1);
  CHECK_THROWS_AS(again.accept<int>(), config_error);
}

TEST_CASE("addresses and keys that cannot work are refused with their limit") {
  const leak_guard guard;
  const testing::temporary_folder folder;
  const auto file = folder.write("file", "kept").string();
  CHECK_THROWS_WITH_AS(listener(std::string(200, 'x'), key), doctest::Contains("at most 107"),
                       config_error);
  CHECK_THROWS_AS(listener("", key), config_error);
  CHECK_THROWS_AS(listener("@", key), config_error);
  CHECK_THROWS_AS(listener(fresh_name("backlog"), key, 0), config_error);
  CHECK_THROWS_WITH_AS(listener(fresh_name("short"), "secret"), doctest::Contains("16 or more"),
                       config_error);
  CHECK_THROWS_AS(connect<int>(fresh_name("short"), "secret"), config_error);
  CHECK_THROWS_WITH_AS(listener(file, key), doctest::Contains("no socket"), config_error);
  CHECK(make_key() != make_key());
  CHECK(make_key().size() == 32);
}

TEST_CASE("a peer that says nothing, goes away or speaks another protocol is named and left") {
  const leak_guard guard;
  CHECK(has(listener_of("silent", [](const raw_socket& c) { c.hear(), c.hear(); }),
            "did not answer in time"));
  CHECK(has(listener_of("leaves", [](const raw_socket& c) { ::shutdown(c.fd(), SHUT_RDWR); }),
            "went away"));
  CHECK(has(listener_of("short", [](const raw_socket& c) { c.say("hello"), c.hear(), c.hear(); }),
            "another protocol"));
  CHECK(has(listener_of("liar", [](const raw_socket& c) { c.say(std::string(64, 'x')); }),
            "does not know the key"));
}

TEST_CASE("a client leaves a listener that is none, and one that does not know the key") {
  const leak_guard guard;
  CHECK(has(client_of("other", [](const raw_socket& c) { c.say(std::string(40, 'x')), c.hear(); }),
            "no listener of this library"));
  CHECK(has(client_of("short", [](const raw_socket& c) { c.say("220 mail ready"), c.hear(); }),
            "another protocol"));
  CHECK(has(client_of("liar",
                      [](const raw_socket& c) {
                        c.say(greeting);
                        c.hear();
                        c.say(std::string(32, 'x'));
                        c.hear();
                      }),
            "does not know the key"));
}

TEST_CASE("an answer that was heard before opens no second door") {
  const leak_guard guard;
  std::string heard;
  // The stranger listens where the client believes the friend to be, and keeps its answer.
  CHECK(has(client_of("recorder",
                      [&](const raw_socket& c) {
                        c.say(greeting);
                        heard = c.hear();
                      }),
            "refused the key"));
  REQUIRE(heard.size() == 64);
  CHECK(has(listener_of("replay", [&](const raw_socket& c) { c.hear(), c.say(heard), c.hear(); }),
            "does not know the key"));
}

TEST_CASE("a process of another user is refused by both sides, whatever it knows") {
  constexpr uid_t nobody = 65534;
  if (::geteuid() != 0) {
    MESSAGE("only root can become another user: nothing was tested");
    return;
  }
  SUBCASE("as a client") {
    listener door{fresh_name("of-nobody"), key};
    const raw_socket client;
    const auto child = ::fork();
    if (child == 0) { // system calls alone: the process had threads
      char byte = 0;
      const bool came = ::setuid(nobody) == 0 && client.at(door.address(), ::connect);
      ::_exit(came && ::recv(client.fd(), &byte, 1, 0) >= 0 ? 0 : 1);
    }
    CHECK_THROWS_WITH_AS(static_cast<void>(door.accept<int>()),
                         doctest::Contains("of user 65534; this process serves user 0"),
                         authentication_error);
    ::waitpid(child, nullptr, 0);
  }
  SUBCASE("as a listener") {
    const raw_socket door;
    const auto address = fresh_name("by-nobody");
    REQUIRE(door.at(address, ::bind));
    std::array<int, 2> ready{};
    REQUIRE(::pipe2(ready.data(), O_CLOEXEC) == 0);
    const auto child = ::fork();
    if (child == 0) { // as above
      if (::setuid(nobody) == 0 && ::listen(door.fd(), 1) == 0 && ::write(ready[1], "r", 1) == 1)
        ::send(::accept(door.fd(), nullptr, nullptr), greeting.data(), greeting.size(), 0);
      ::pause();
    }
    char byte = 0;
    REQUIRE(::read(ready[0], &byte, 1) == 1);
    CHECK_THROWS_WITH_AS(static_cast<void>(connect<int>(address, key, long_enough)),
                         doctest::Contains("of user 65534"), authentication_error);
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    ::close(ready[0]);
    ::close(ready[1]);
  }
}
