// ctest-label: fault
// ctest-timeout: 120
// Open descriptors that travel in arguments and results.
#include "tests/support/leak_guard.hpp"

#include <bulkhead/descriptor.hpp>
#include <bulkhead/error.hpp>
#include <bulkhead/pool.hpp>
#include <bulkhead/process.hpp>
#include <bulkhead/testing/hooks.hpp>
#include <bulkhead/worker.hpp>

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <map>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using bulkhead::descriptor;
using bulkhead::start_method;

namespace {

std::pair<descriptor, descriptor> make_unix_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) // no doctest macros: it runs in workers, too
    throw std::runtime_error("pipe2");
  return {descriptor{ends[0]}, descriptor{ends[1]}};
}

std::string read_all(const descriptor& from) {
  std::string text;
  std::array<char, 256> part{};
  for (;;) {
    const auto count = ::read(from.fd(), part.data(), part.size());
    if (count <= 0)
      return text;
    text.append(part.data(), static_cast<std::size_t>(count));
  }
}

void say(const descriptor& to, const std::string& text) {
  if (::write(to.fd(), text.data(), text.size()) < 0)
    throw std::runtime_error("write");
}

std::string say_all(const std::map<int, descriptor>& to) {
  for (const auto& [number, each] : to)
    say(each, std::to_string(number) + ";");
  return "said";
}

descriptor open_null() { return descriptor{::open("/dev/null", O_RDWR | O_CLOEXEC)}; }

std::pair<std::string, descriptor> with_name(const std::string& text) {
  auto [out, in] = make_unix_pipe();
  say(in, text);
  return {text, out};
}

dev_t device_of(const descriptor& d) {
  struct stat facts {};
  if (::fstat(d.fd(), &facts) != 0)
    throw std::runtime_error("fstat");
  return facts.st_rdev;
}

/// Each start method with workers of its own kind.
constexpr std::array methods{start_method::forkserver, start_method::spawn, start_method::thread,
                             start_method::eager};

int open_descriptors() {
  int count = 0;
  for (int fd = 0; fd < 1024; ++fd)
    count += ::fcntl(fd, F_GETFD) >= 0 ? 1 : 0;
  return count;
}

descriptor kept; // of a worker

void keep(const descriptor& d) { kept = d; }
void say_kept() { say(kept, "the end"); }
int ignore(const descriptor&) { return open_descriptors(); }

} // namespace

TEST_CASE("a descriptor travels inside an argument, with every start method") {
  bulkhead::tests::leak_guard guard;
  for (const auto method : methods) {
    auto [out, in] = make_unix_pipe();
    {
      bulkhead::pool pool({.workers = 1, .start = method});
      CHECK(pool.apply(say_all, std::map<int, descriptor>{{1, in}, {2, in}, {3, in}}) == "said");
    }
    in = {};
    CHECK(read_all(out) == "1;2;3;"); // and its end, so no copy of `in` is left anywhere
  }
}

TEST_CASE("a descriptor travels inside a result, with every start method") {
  bulkhead::tests::leak_guard guard;
  for (const auto method : methods) {
    bulkhead::pool pool({.workers = 1, .start = method});
    CHECK(device_of(pool.apply(open_null)) == device_of(open_null()));
    const auto all = pool.map(with_name, {"a", "bc", "def"});
    for (const auto& [text, out] : all)
      CHECK(read_all(out) == text);
    std::string read;
    for (const auto& [text, out] : pool.imap(with_name, {"x", "y"}))
      read += read_all(out);
    CHECK(read == "xy");
    CHECK(read_all(pool.submit(with_name, std::string(100'000, 'p').substr(0, 5)).get().second)
          == "ppppp");
  }
}

TEST_CASE("a descriptor that comes back with a large result is the right one") {
  bulkhead::tests::leak_guard guard;
  bulkhead::pool pool({.workers = 1});
  const auto [filler, out] = pool.apply(
    [](std::size_t bytes) {
      return std::pair{std::string(bytes, 'x'), with_name("behind").second};
    },
    std::size_t{3'000'000});
  CHECK(filler.size() == 3'000'000);
  CHECK(read_all(out) == "behind");
}

TEST_CASE("thousands of items that name one descriptor send it once a chunk") {
  bulkhead::tests::leak_guard guard;
  auto [out, in] = make_unix_pipe();
  {
    bulkhead::pool pool({.workers = 2});
    std::vector<std::pair<descriptor, std::string>> items(2000, {in, "."});
    pool.starmap([](const descriptor& d, const std::string& text) { say(d, text); }, items);
  }
  in = {};
  CHECK(read_all(out) == std::string(2000, '.'));
}

TEST_CASE("items with more different descriptors than a message carries are cut into chunks") {
  bulkhead::tests::leak_guard guard;
  bulkhead::pool pool({.workers = 1});
  std::vector<descriptor> many;
  for (int i = 0; i < 600; ++i)
    many.push_back(open_null());
  std::size_t right = 0;
  for (const auto rdev : pool.map([](const descriptor& d) { return device_of(d); }, many))
    right += rdev == device_of(many[0]) ? 1 : 0;
  CHECK(right == many.size());
}

TEST_CASE("one argument with too many descriptors is refused and the pool goes on") {
  bulkhead::tests::leak_guard guard;
  bulkhead::pool pool({.workers = 1});
  std::vector<descriptor> many;
  for (int i = 0; i < 300; ++i)
    many.push_back(open_null());
  CHECK_THROWS_WITH_AS(pool.apply([](const std::vector<descriptor>&) {}, many),
                       doctest::Contains("at most 240"), bulkhead::codec_error);
  CHECK(pool.apply([](const descriptor& d) { return d.fd() >= 3; }, many[0]));
}

TEST_CASE("a worker keeps no descriptor of a task that has ended") {
  bulkhead::tests::leak_guard guard;
  bulkhead::pool pool({.workers = 1});
  const auto null = open_null();
  const auto first = pool.apply(ignore, null);
  for (int i = 0; i < 50; ++i)
    pool.apply(ignore, open_null());
  CHECK(pool.apply(ignore, null) <= first + 2); // the inbox closes and reopens one of its own
}

TEST_CASE("initializer, finalizer and process take descriptors") {
  bulkhead::tests::leak_guard guard;
  for (const auto method : methods) {
    auto [out, in] = make_unix_pipe();
    {
      bulkhead::pool pool(
        {.workers = 2, .start = method, .initializer = bulkhead::call(say, in, "i")});
      pool.close();
      CHECK(pool.join(std::chrono::minutes{1}));
    }
    bulkhead::process child(say, in, "p");
    child.start();
    child.join();
    child = {};
    in = {};
    const auto text = read_all(out);
    CHECK(text.size() >= (method == start_method::eager ? 2 : 3));
    CHECK(text.back() == 'p');
  }
}

TEST_CASE("the death of a worker closes what its tasks got, and the retry gets it again") {
  bulkhead::tests::leak_guard guard;
  auto [out, in] = make_unix_pipe();
  {
    bulkhead::pool pool({.workers = 1});
    auto again = pool.with({.retries = 1})
                   .submit(
                     [](const descriptor& d) {
                       say(d, "once ");
                       if (bulkhead::this_task::attempt() == 1)
                         ::kill(::getpid(), SIGKILL);
                     },
                     in);
    again.get();
    pool.submit(keep, in).get();
    const auto dead = pool.submit([] { ::kill(::getpid(), SIGKILL); });
    CHECK_THROWS_AS(dead.get(), bulkhead::worker_died);
    in = {};
    CHECK(read_all(out) == "once once "); // comes to its end: nobody holds the other one
  }
}

#if defined(BULKHEAD_HOOKS) && BULKHEAD_HOOKS
TEST_CASE("a worker killed between the descriptors and their result fails that task alone") {
  bulkhead::tests::leak_guard guard;
  bulkhead::pool pool({.workers = 1});
  const auto dies = pool.submit([] {
    using namespace bulkhead::testing;
    arm_hook("worker.parcel_sent", 1, hook_action::kill);
    return open_null();
  });
  CHECK_THROWS_AS(dies.get(), bulkhead::worker_died);
  const auto [text, out] = pool.apply(with_name, "next");
  CHECK(text == "next");
  CHECK(read_all(out) == "next");
}
#endif

TEST_CASE("a task kept in a worker can use what an earlier one brought") {
  bulkhead::tests::leak_guard guard;
  auto [out, in] = make_unix_pipe();
  {
    bulkhead::pool pool({.workers = 1});
    pool.apply(keep, in);
    in = {};
    pool.apply(say_kept);
  }
  CHECK(read_all(out) == "the end");
}

TEST_CASE("a worker without free descriptors fails the task by a text and not the pool") {
  bulkhead::tests::leak_guard guard;
  bulkhead::pool pool({.workers = 1, .limits = {.open_files = 20}});
  std::vector<descriptor> many;
  for (int i = 0; i < 100; ++i)
    many.push_back(open_null());
  CHECK_THROWS_WITH(pool.apply([](const std::vector<descriptor>&) {}, many),
                    doctest::Contains("no free descriptors"));
  CHECK(pool.apply([](const descriptor& d) { return d.fd() >= 3; }, many[0]));
}

TEST_CASE("a host without free descriptors gets a failure and the next result") {
  bulkhead::tests::leak_guard guard;
  bulkhead::pool pool({.workers = 1});
  pool.apply([] {});
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  rlimit none = before;
  none.rlim_cur = 3;
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
  const auto refused = pool.submit(open_null);
  refused.wait();
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
  CHECK_THROWS_WITH_AS(refused.get(), doctest::Contains("RLIMIT_NOFILE"), bulkhead::codec_error);
  CHECK(pool.apply(open_null).fd() >= 3);
}

TEST_CASE("what is not open is refused where it is named") {
  CHECK_THROWS_WITH_AS(descriptor{12345}, doctest::Contains("12345 is not open"),
                       bulkhead::config_error);
  CHECK_THROWS_AS(descriptor::copy_of(-1), bulkhead::config_error);
  CHECK(descriptor{}.fd() == -1);
}
