// ctest-timeout: 120
#include "tests/support/eventually.hpp"
#include "tests/support/leak_guard.hpp"
#include "tests/support/sanitizer_calls.hpp"
#include "tests/support/temporary_folder.hpp"

#include <bulkhead/descriptor.hpp>
#include <bulkhead/error.hpp>
#include <bulkhead/pool.hpp>
#include <bulkhead/process.hpp>
#include <bulkhead/queue.hpp>
#include <bulkhead/shared_memory.hpp>

#include <doctest/doctest.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdlib>
#include <fstream>
#include <numeric>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using namespace bulkhead;

namespace {

constexpr std::array methods{start_method::forkserver, start_method::spawn, start_method::fork};

pool_options shut_in(sandbox_policy policy, start_method method = start_method::forkserver) {
  pool_options options;
  options.workers = 1;
  options.start = method;
  options.sandbox = tests::with_sanitizer_calls(std::move(policy));
  return options;
}

int twice(int x) { return 2 * x; }

std::vector<double> scaled(std::vector<double> values, double by) {
  for (auto& each : values)
    each *= by;
  return values;
}

int throws(int x) { throw std::runtime_error("no " + std::to_string(x)); }

void fills(shared_memory memory) { std::ranges::fill(memory.bytes(), std::byte{7}); }

void adds_seven(queue<int> numbers) { numbers.put(7); }

int own_pid() { return ::getpid(); }

/// Memory that this worker never gives back.
int keeps(int mebibytes) {
  static auto& kept = *new std::vector<char>;
  kept.resize(static_cast<std::size_t>(mebibytes) << 20, 'x');
  return static_cast<int>(kept.size() >> 20);
}

int crashes() {
  volatile int* nowhere = nullptr;
  return *nowhere;
}

int aborts() { std::abort(); }

/// errno of an open, 0: it worked.
int opens(std::string path, int flags) {
  const int fd = ::open(path.c_str(), flags, 0600);
  if (fd < 0)
    return errno;
  ::close(fd);
  return 0;
}

int connects(descriptor socket, sockaddr_in to) {
  return ::connect(socket.fd(), reinterpret_cast<sockaddr*>(&to), sizeof to) == 0 ? 0 : errno;
}

int starts_thread(int x) {
  int result = 0;
  std::thread{[&] { result = x + 1; }}.join();
  return result;
}

/// Its exit code, or errno of execve.
int executes(std::string program) {
  const auto child = ::fork();
  if (child == 0) {
    char* arguments[] = {program.data(), nullptr};
    ::execve(program.c_str(), arguments, environ);
    ::_exit(errno);
  }
  int status = 0;
  return child > 0 && ::waitpid(child, &status, 0) == child ? WEXITSTATUS(status) : -1;
}

std::string variable(std::string name) {
  const char* value = std::getenv(name.c_str());
  return value == nullptr ? "none" : value;
}

template <class F, class... Args>
failure failure_of(pool& p, F f, Args... args) {
  try {
    p.submit(f, args...).get();
  } catch (const error& e) {
    return e.info();
  }
  return {};
}

bool is_active(const pool& p, const std::string& name) {
  const auto all = p.isolation();
  const auto found =
    std::find_if(all.begin(), all.end(), [&](const auto& f) { return f.name == name; });
  REQUIRE(found != all.end());
  return found->requested && found->active;
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

} // namespace

TEST_CASE("every kind of task runs under strict as without, by every start method") {
  tests::leak_guard guard;
  for (const auto method : methods) {
    pool p{shut_in({.base = sandbox_profile::strict}, method)};
    CHECK(p.submit(twice, 21).get() == 42);
    const std::vector<double> many(300'000, 1.5); // does not fit the ring: an argument segment
    const auto back = p.submit(scaled, many, 2.0).get();
    CHECK(back.size() == many.size());
    CHECK(back.back() == 3.0);
    CHECK(p.submit(scaled, many, 4.0).get().front() == 6.0);
    std::vector<int> inputs(500);
    std::iota(inputs.begin(), inputs.end(), 0);
    CHECK(p.map(twice, inputs)[499] == 998);
    const auto f = failure_of(p, throws, 3);
    CHECK(f.kind == failure_kind::task_exception);
    CHECK(f.message == "no 3");
  }
}

TEST_CASE("a strict worker may use shared memory and queues that it is given") {
  tests::leak_guard guard;
  pool p{shut_in({.base = sandbox_profile::strict})};
  const shared_memory memory(4096);
  p.submit(fills, memory).get();
  CHECK(memory.bytes()[4095] == std::byte{7});
  queue<int> numbers{4};
  p.submit(adds_seven, numbers).get();
  CHECK(numbers.get() == 7);
}

TEST_CASE("a strict worker that has grown too large is replaced") {
  tests::leak_guard guard;
  auto options = shut_in({.base = sandbox_profile::strict});
  options.max_memory_per_worker = std::size_t{64} << 20;
  pool p{options};
  const auto first = p.submit(own_pid).get();
  CHECK(p.submit(twice, 1).get() == 2);
  const auto f = failure_of(p, keeps, 128); // the host may be quicker than the end of the task
  CHECK((f.exit.cause == exit_cause::none || f.exit.cause == exit_cause::memory_limit));
  CHECK(p.submit(own_pid).get() != first);
}

TEST_CASE("crashes under strict are told as crashes, with their place") {
  tests::leak_guard guard;
  pool p{shut_in({.base = sandbox_profile::strict})};
  const auto f = failure_of(p, crashes);
  CHECK(f.exit.cause == exit_cause::crashed);
  CHECK(f.exit.signal == SIGSEGV);
  CHECK(contains(f.backtrace, "crashes"));
  CHECK(failure_of(p, aborts).exit.signal == SIGABRT);
  CHECK(p.submit(twice, 4).get() == 8);
}

TEST_CASE("a forbidden call ends the worker, and its failure names call, file and remedy") {
  tests::leak_guard guard;
  pool p{shut_in({.base = sandbox_profile::strict})};
  const auto f = failure_of(p, opens, std::string{"/etc/passwd"}, O_RDONLY);
  CHECK(f.kind == failure_kind::worker_died);
  CHECK(f.exit.cause == exit_cause::policy_violation);
  CHECK(f.may_have_executed);
  CHECK_MESSAGE(contains(f.message, "openat(\"/etc/passwd\")"), f.message);
  CHECK_MESSAGE(contains(f.message, "sandbox.read"), f.message);
  CHECK_MESSAGE(contains(f.backtrace, "opens"), f.backtrace);
  REQUIRE(f.violation);
  CHECK(f.violation->call == "openat");
  CHECK(f.violation->target == "/etc/passwd");
  CHECK(f.violation->arguments[2] == O_RDONLY);
  CHECK(contains(f.violation->remedy, "sandbox.read"));
  CHECK_FALSE(failure_of(p, crashes).violation);
  CHECK(p.submit(twice, 4).get() == 8);
}

TEST_CASE("a forbidden connection is told with the address that it was to reach") {
  tests::leak_guard guard;
  pool p{shut_in({.base = sandbox_profile::strict})};
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(4711);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const auto tcp = [] { return descriptor{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)}; };
  const auto f = failure_of(p, connects, tcp(), to);
  REQUIRE(f.violation);
  CHECK(f.violation->call == "connect");
  CHECK(f.violation->target == "127.0.0.1:4711");
  CHECK_MESSAGE(contains(f.message, "connect(\"127.0.0.1:4711\")"), f.message);
}

TEST_CASE("what a strict policy names may be opened, and nothing beside it") {
  tests::leak_guard guard;
  testing::temporary_folder folder;
  const auto mine = folder.path() / "mine";
  const auto other = folder.path() / "other";
  for (const auto& each : {mine, other}) {
    std::filesystem::create_directory(each);
    std::ofstream{each / "file"} << "text";
  }
  pool p{shut_in({.base = sandbox_profile::strict, .read = {mine.string()}})};
  CHECK(p.submit(opens, (mine / "file").string(), O_RDONLY).get() == 0);
  CHECK(p.submit(opens, (mine / "file").string(), O_WRONLY).get() == EACCES);
  CHECK(p.submit(opens, (other / "file").string(), O_RDONLY).get() == EACCES);
  CHECK(p.submit(opens, std::string{"/etc/passwd"}, O_RDONLY).get() == EACCES);

  pool q{shut_in({.base = sandbox_profile::strict, .write = {mine.string()}})};
  CHECK(q.submit(opens, (mine / "new").string(), O_WRONLY | O_CREAT).get() == 0);
  CHECK(q.submit(opens, (other / "new").string(), O_WRONLY | O_CREAT).get() == EACCES);
}

TEST_CASE("standard reads files and starts threads, and writes only where its policy says") {
  tests::leak_guard guard;
  testing::temporary_folder folder;
  pool p{shut_in({.base = sandbox_profile::standard, .write = {folder.path().string()}})};
  CHECK(p.submit(opens, std::string{"/etc/passwd"}, O_RDONLY).get() == 0);
  CHECK(p.submit(opens, std::string{"/tmp/bulkhead-sandbox-test"}, O_WRONLY | O_CREAT).get()
        == EACCES);
  CHECK(p.submit(opens, (folder.path() / "new").string(), O_WRONLY | O_CREAT).get() == 0);
  CHECK(p.submit(opens, std::string{"/dev/null"}, O_WRONLY).get() == 0);
  CHECK(p.submit(starts_thread, 1).get() == 2);
}

TEST_CASE("only the programs that a policy names are executed") {
  tests::leak_guard guard;
  for (const auto profile : {sandbox_profile::standard, sandbox_profile::strict}) {
    pool p{shut_in({.base = profile, .exec = {"/bin/true"}})};
    CHECK(p.submit(executes, std::string{"/bin/true"}).get() == 0);
    CHECK(p.submit(executes, std::string{"/bin/false"}).get() == EACCES);
  }
}

TEST_CASE("threads under strict are a violation until the policy asks for them") {
  tests::leak_guard guard;
  pool p{shut_in({.base = sandbox_profile::strict})};
  const auto f = failure_of(p, starts_thread, 1);
  CHECK(f.exit.cause == exit_cause::policy_violation);
  CHECK_MESSAGE(contains(f.message, "sandbox.threads"), f.message);
  pool q{shut_in({.base = sandbox_profile::strict, .threads = true})};
  CHECK(q.submit(starts_thread, 1).get() == 2);
}

TEST_CASE("a sandboxed worker keeps only the variables that its policy names") {
  tests::leak_guard guard;
  ::setenv("BULKHEAD_TEST_SECRET", "hidden", 1);
  ::setenv("BULKHEAD_TEST_KEPT", "shown", 1);
  // Copies of this process as it is now: a forkserver has the variables of its own start.
  pool p{shut_in({.base = sandbox_profile::strict, .environment = {"BULKHEAD_TEST_K*"}},
                 start_method::fork)};
  CHECK(p.submit(variable, std::string{"BULKHEAD_TEST_SECRET"}).get() == "none");
  CHECK(p.submit(variable, std::string{"BULKHEAD_TEST_KEPT"}).get() == "shown");
  for (const auto method : methods) {
    pool q{shut_in({.base = sandbox_profile::strict}, method)};
    CHECK(q.submit(variable, std::string{"HOME"}).get() == "none");
    CHECK(q.submit(variable, std::string{"PATH"}).get() != "none");
  }
  ::unsetenv("BULKHEAD_TEST_SECRET");
  ::unsetenv("BULKHEAD_TEST_KEPT");
}

TEST_CASE(
  "isolation() says of a sandbox what is active, and of a plain pool that none was asked for") {
  tests::leak_guard guard;
  pool p{shut_in({.base = sandbox_profile::strict})};
  p.submit(twice, 1).get();
  // What a worker's start has done comes by way of the forkserver, later than its first result.
  CHECK(tests::eventually([&] { return is_active(p, "seccomp"); }));
  CHECK(is_active(p, "capabilities_dropped"));
  CHECK(is_active(p, "environment_emptied"));
  CHECK_FALSE(is_active(p, "own_user"));
  pool q{{.workers = 1}};
  q.submit(twice, 1).get();
  CHECK_FALSE(is_active(q, "seccomp"));
}

TEST_CASE("threads of the host cannot be shut in") {
  for (const auto method : {start_method::thread, start_method::eager})
    CHECK_THROWS_WITH_AS(
      pool(shut_in({.base = sandbox_profile::strict}, method)),
      doctest::Contains("sandbox is set; allowed: the default with start_method::thread"),
      config_error);
}

TEST_CASE("a process under a policy ends by SIGSYS where it breaks it") {
  tests::leak_guard guard;
  const auto strict = tests::with_sanitizer_calls({.base = sandbox_profile::strict});
  process good{{.sandbox = strict}, twice, 1};
  good.start();
  good.join();
  CHECK(good.exit_code() == 0);
  process bad{{.sandbox = strict}, opens, std::string{"/etc/passwd"}, 0};
  bad.start();
  bad.join();
  CHECK(bad.exit_code() == -SIGSYS);
  const auto why = bad.failure();
  REQUIRE(why);
  CHECK(why->exit.cause == exit_cause::policy_violation);
  CHECK_MESSAGE(why->message.find("openat(\"/etc/passwd\")") != std::string::npos, why->message);
}
