// ctest-timeout: 120
// What an audit notes, and that the policy that it makes of it is enough, and no more.
#include "tests/support/eventually.hpp"
#include "tests/support/leak_guard.hpp"
#include "tests/support/sanitizer_calls.hpp"
#include "tests/support/temporary_folder.hpp"

#include <bulkhead/audit.hpp>
#include <bulkhead/error.hpp>
#include <bulkhead/pool.hpp>
#include <bulkhead/process.hpp>

#include <doctest/doctest.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

using namespace bulkhead;
namespace fs = std::filesystem;

namespace {

using paths = std::vector<std::string>;

/// errno of an open, 0: it worked.
int opens(std::string path, int flags) {
  const int fd = ::open(path.c_str(), flags, 0600);
  if (fd < 0)
    return errno;
  ::close(fd);
  return 0;
}

int opens_from_its_folder(std::string folder, std::string name) {
  const int at = ::open(folder.c_str(), O_PATH | O_DIRECTORY);
  const int fd = ::openat(at, name.c_str(), O_RDONLY);
  const int result = fd < 0 ? errno : 0;
  ::close(fd);
  ::close(at);
  return result;
}

int moves(std::string from, std::string to) {
  return ::rename(from.c_str(), to.c_str()) == 0 ? 0 : errno;
}

int starts_thread(int x) {
  int result = 0;
  std::thread{[&] { result = x + 1; }}.join();
  return result;
}

int makes_code() {
  void* at = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return ::mprotect(at, 4096, PROT_READ | PROT_EXEC) == 0 ? 0 : errno;
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

/// The exit code of a copy of the worker.
int copies_itself() {
  const auto child = ::fork();
  if (child == 0)
    ::_exit(3);
  int status = 0;
  return child > 0 && ::waitpid(child, &status, 0) == child ? WEXITSTATUS(status) : -1;
}

int connects(std::uint16_t port) {
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int result = ::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0 ? 0 : errno;
  ::close(fd);
  return result;
}

int makes_a_memory_file() {
  const int fd = ::memfd_create("x", MFD_CLOEXEC);
  ::close(fd);
  return fd < 0 ? errno : 0;
}

int twice(int x) { return 2 * x; }

/// A TCP socket that listens.
class listener_on_loopback {
public:
  listener_on_loopback() {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t bytes = sizeof at;
    REQUIRE(::bind(fd_, reinterpret_cast<sockaddr*>(&at), bytes) == 0);
    REQUIRE(::listen(fd_, 8) == 0);
    REQUIRE(::getsockname(fd_, reinterpret_cast<sockaddr*>(&at), &bytes) == 0);
    port = ntohs(at.sin_port);
  }
  ~listener_on_loopback() { ::close(fd_); }
  listener_on_loopback(const listener_on_loopback&) = delete;
  listener_on_loopback& operator=(const listener_on_loopback&) = delete;

  std::uint16_t port = 0;

private:
  const int fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
};

pool_options with(sandbox_policy policy) {
  pool_options options;
  options.workers = 1;
  options.sandbox = tests::with_sanitizer_calls(std::move(policy));
  return options;
}

/// What the tasks need beyond strict.
template <class Work>
sandbox_policy needs_of(Work work, sandbox_policy from = {.base = sandbox_profile::strict}) {
  const auto audit = std::make_shared<sandbox_audit>();
  from.audit = audit;
  {
    pool p{with(from)};
    work(p);
  }
  CHECK(audit->missed() == 0);
  return audit->smallest();
}

fs::path file_in(const testing::temporary_folder& folder, const char* name) {
  const auto path = fs::canonical(folder.path()) / name;
  std::ofstream{path} << "text";
  return path;
}

bool has(const std::vector<audit_finding>& all, const std::string& target, audit_effect effect) {
  return std::ranges::any_of(all, [&](const audit_finding& each) {
    return each.what.target == target && each.effect == effect;
  });
}

} // namespace

TEST_CASE("tasks that only compute need nothing beyond strict") {
  tests::leak_guard guard;
  const auto policy = needs_of([](pool& p) { CHECK(p.apply(twice, 21) == 42); });
  CHECK(policy == tests::with_sanitizer_calls({.base = sandbox_profile::strict}));
}

TEST_CASE("an audited worker is under no protection, and isolation() says so") {
  tests::leak_guard guard;
  const auto audit = std::make_shared<sandbox_audit>();
  pool p{with({.base = sandbox_profile::strict, .require = true, .audit = audit})};
  CHECK(p.apply(opens, std::string{"/etc/passwd"}, O_RDONLY) == 0);
  CHECK(p.apply(starts_thread, 1) == 2);
  CHECK(p.apply(executes, std::string{"/bin/true"}) == 0);
  bool told = false;
  for (const auto& each : p.isolation())
    if (each.name == "seccomp" || each.name == "landlock") {
      CHECK(each.requested);
      CHECK_FALSE(each.active);
      CHECK(each.why_not.find("audit") != std::string::npos);
      told = true;
    }
  CHECK(told);
  CHECK(p.stats().restarts == 0);
}

TEST_CASE("files are named as they are read, made and renamed, and nothing beside them") {
  tests::leak_guard guard;
  testing::temporary_folder in;
  testing::temporary_folder out;
  const auto mine = file_in(in, "mine");
  const auto beside = file_in(in, "beside");
  const auto folder = fs::canonical(out.path());
  const auto work = [&](pool& p) {
    CHECK(p.apply(opens, mine.string(), O_RDONLY) == 0);
    CHECK(p.apply(opens, (folder / "new").string(), O_WRONLY | O_CREAT) == 0);
    CHECK(p.apply(moves, (folder / "new").string(), (folder / "old").string()) == 0);
    CHECK(p.apply(opens, std::string{"/no/such/file"}, O_RDONLY) == ENOENT);
  };
  const auto policy = needs_of(work);
  CHECK(policy.read == paths{mine});
  CHECK(policy.write == paths{folder});
  CHECK(policy.exec.empty());
  CHECK_FALSE(policy.threads);
  pool p{with(policy)};
  work(p);
  CHECK(p.apply(opens, beside.string(), O_RDONLY) == EACCES);
  CHECK(p.apply(opens, mine.string(), O_WRONLY) == EACCES);
}

TEST_CASE("a path that begins at a descriptor, or is a link, is the file that it leads to") {
  tests::leak_guard guard;
  testing::temporary_folder in;
  const auto mine = file_in(in, "mine");
  const auto link = mine.parent_path() / "link";
  fs::create_symlink(mine, link);
  const auto policy = needs_of([&](pool& p) {
    CHECK(p.apply(opens_from_its_folder, mine.parent_path().string(), std::string{"link"}) == 0);
  });
  CHECK(policy.read == paths{mine});
}

TEST_CASE("many files of one folder become the folder") {
  tests::leak_guard guard;
  testing::temporary_folder in;
  const auto policy = needs_of([&](pool& p) {
    for (const auto* name : {"a", "b", "c", "d", "e", "f", "g", "h", "i"})
      CHECK(p.apply(opens, file_in(in, name).string(), O_RDONLY) == 0);
  });
  CHECK(policy.read == paths{fs::canonical(in.path())});
}

TEST_CASE("threads, code, programs, ports and other calls each are a member of the policy") {
  tests::leak_guard guard;
  CHECK(needs_of([](pool& p) { p.apply(starts_thread, 1); }).threads);
  CHECK(needs_of([](pool& p) { p.apply(makes_code); }).executable_memory);
  const auto programs = needs_of([](pool& p) { p.apply(executes, std::string{"/bin/true"}); });
  CHECK(programs.exec == paths{fs::canonical("/bin/true")});
  const listener_on_loopback there;
  const auto ports = needs_of([&](pool& p) { CHECK(p.apply(connects, there.port) == 0); });
  CHECK(ports.connect == std::vector{there.port});
  const auto calls = needs_of([](pool& p) { CHECK(p.apply(makes_a_memory_file) == 0); });
  CHECK(std::ranges::count(calls.allow_syscalls, "memfd_create") == 1);
}

TEST_CASE("what an audit finds is enough for the same work") {
  tests::leak_guard guard;
  const listener_on_loopback there;
  for (const auto base : {sandbox_profile::strict, sandbox_profile::standard}) {
    const auto work = [&](pool& p) {
      CHECK(p.apply(connects, there.port) == 0);
      CHECK(p.apply(executes, std::string{"/bin/true"}) == 0);
      CHECK(p.apply(starts_thread, 1) == 2);
      CHECK(p.apply(makes_code) == 0);
      CHECK(p.apply(opens, std::string{"/etc/passwd"}, O_RDONLY) == 0);
      CHECK(p.apply(opens, std::string{"/proc/self/status"}, O_RDONLY) == 0);
    };
    pool p{with(needs_of(work, {.base = base}))};
    work(p);
    CHECK(p.stats().restarts == 0);
  }
}

TEST_CASE("copies of a worker are found, too, where no program is executed") {
  tests::leak_guard guard;
  const auto work = [](pool& p) { CHECK(p.apply(copies_itself) == 3); };
  pool p{with(needs_of(work))};
  work(p);
}

TEST_CASE("findings say what the policy would have done, and what would allow it") {
  tests::leak_guard guard;
  testing::temporary_folder in;
  const auto mine = file_in(in, "mine").string();
  for (const auto base : {sandbox_profile::strict, sandbox_profile::standard}) {
    const auto audit = std::make_shared<sandbox_audit>();
    {
      pool p{with({.base = base, .audit = audit})};
      for (int i = 0; i < 3; ++i)
        CHECK(p.apply(opens, mine, O_WRONLY) == 0);
    }
    const auto all = audit->findings();
    CHECK(has(all, mine,
              base == sandbox_profile::strict ? audit_effect::ends_worker : audit_effect::denied));
    for (const auto& each : all)
      if (each.what.target == mine) {
        CHECK(each.what.call == "openat");
        CHECK(each.what.remedy.find("sandbox.") == 0);
        CHECK(each.times == 3);
      }
  }
}

TEST_CASE("a process may be audited, and notes of one policy are of no use to another") {
  tests::leak_guard guard;
  const auto audit = std::make_shared<sandbox_audit>();
  const auto strict =
    tests::with_sanitizer_calls({.base = sandbox_profile::strict, .audit = audit});
  process child{{.sandbox = strict}, opens, std::string{"/etc/passwd"}, O_RDONLY};
  child.start();
  child.join();
  CHECK(child.get<int>() == 0);
  CHECK(has(audit->findings(), "/etc/passwd", audit_effect::ends_worker));
  CHECK_THROWS_WITH_AS(
    pool({.workers = 1, .sandbox = {.base = sandbox_profile::standard, .audit = audit}}),
    doctest::Contains("sandbox.audit"), config_error);
}

TEST_CASE("a worker that is killed while its calls are looked at costs nobody else anything") {
  tests::leak_guard guard;
  const auto audit = std::make_shared<sandbox_audit>();
  pool p{with({.base = sandbox_profile::strict, .audit = audit})};
  for (int round = 0; round < 5; ++round) {
    auto busy = p.submit([] {
      for (;;)
        opens("/etc/passwd", O_RDONLY);
    });
    CHECK(tests::eventually([&] {
      for (const auto& each : p.workers())
        if (each.state == worker_state::busy)
          ::kill(each.pid, SIGKILL);
      return busy.ready();
    }));
    CHECK_THROWS_AS(busy.get(), worker_died);
  }
  CHECK(p.apply(twice, 2) == 4);
}
