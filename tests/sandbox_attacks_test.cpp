// ctest-timeout: 300
#include "tests/support/attacks.hpp"
#include "tests/support/leak_guard.hpp"
#include "tests/support/sanitizer_calls.hpp"
#include "tests/support/temporary_folder.hpp"

#include <bulkhead/error.hpp>
#include <bulkhead/pool.hpp>

#include <doctest/doctest.h>

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace bulkhead;
using tests::attack;
using tests::attack_named;
using tests::attack_sockets;
using tests::attack_targets;
using tests::attacks;
using tests::violation;

namespace {

int run_attack(std::size_t which, attack_targets at) { return attacks()[which].run(at); }

int no_work() { return 7; }

/// What came of it: errno, 0 where it reached its aim, `violation` where it ended its worker.
template <class... Arguments>
int outcome_of(pool& p, auto task, const Arguments&... arguments) {
  for (;;)
    try {
      return p.submit(task, arguments...).get();
    } catch (const error& e) {
      if (e.info().exit.cause == exit_cause::unknown) // its status came too late: a loaded machine
        continue;
      INFO(to_string(e.info()));
      CHECK(e.info().kind == failure_kind::worker_died);
      CHECK(e.info().exit.cause == exit_cause::policy_violation);
      return violation;
    }
}

pool_options under(sandbox_policy policy) {
  pool_options options;
  options.workers = 1;
  options.sandbox = tests::with_sanitizer_calls(std::move(policy));
  return options;
}

/// Runs each attack by `task` and expects what its row says; nobody else may notice.
void attack_all(const sandbox_policy& policy, int attack::*expected, auto task,
                const auto&... more) {
  const attack_sockets open;
  pool bystander{{.workers = 1}};
  pool hostile{under(policy)};
  CHECK(bystander.submit(no_work).get() == 7);
  const std::uint64_t word = 42;
  const attack_targets at{::getpid(), static_cast<int>(bystander.workers().at(0).pid),
                          open.port,  open.name,
                          open.path,  reinterpret_cast<std::uintptr_t>(&word)};
  for (std::size_t i = 0; i < attacks().size(); ++i) {
    INFO(std::string{attacks()[i].name});
    CHECK(outcome_of(hostile, task, i, at, more...) == attacks()[i].*expected);
  }
  CHECK(word == 42);
  CHECK(bystander.submit(no_work).get() == 7);
  CHECK(bystander.workers().at(0).pid == at.sibling);
  CHECK(bystander.stats().restarts == 0);
  CHECK(hostile.submit(no_work).get() == 7);
}

} // namespace

TEST_CASE("under strict every attack is a violation, and nobody else notices") {
  tests::leak_guard guard;
  attack_all({.base = sandbox_profile::strict, .require = true}, &attack::strict, run_attack);
}

TEST_CASE("under standard every attack fails, and nobody else notices") {
  tests::leak_guard guard;
  attack_all({.base = sandbox_profile::standard, .require = true}, &attack::standard, run_attack);
}

TEST_CASE("under standard with a list of files to read, all others are out of reach") {
  tests::leak_guard guard;
  const testing::temporary_folder mine;
  pool p{under({.base = sandbox_profile::standard, .read = {mine.path().string()}})};
  for (const auto& each : tests::attacks_on_files()) {
    INFO(std::string{each.name});
    CHECK(outcome_of(p, run_attack, attack_named(each.name), attack_targets{}) != 0);
  }
}

TEST_CASE("without a sandbox the same attacks reach their aims: the suite can fail") {
  tests::leak_guard guard;
  const attack_sockets open;
  pool plain{{.workers = 1}};
  const std::uint64_t word = 42;
  const attack_targets at{::getpid(), ::getpid(), open.port,
                          open.name,  open.path,  reinterpret_cast<std::uintptr_t>(&word)};
  for (const std::string_view name :
       {"kill host", "connect TCP", "connect UDP", "connect abstract", "connect Unix", "fork",
        "process_vm_readv", "/proc/HOST/environ", "handler of SIGSYS", "prlimit host",
        "pidfd_send_signal", "pidfd_open", "read /etc/passwd", "send datagrams", "listen"}) {
    INFO(name);
    CHECK(outcome_of(plain, run_attack, attack_named(name), at) == 0);
  }
}

TEST_CASE("only the ports that a policy names can be reached") {
  tests::leak_guard guard;
  const attack_sockets open;
  const attack_sockets other;
  attack_targets at;
  at.port = open.port;
  attack_targets beside = at;
  beside.port = other.port;
  for (const auto profile : {sandbox_profile::strict, sandbox_profile::standard}) {
    pool p{under(
      {.base = profile, .connect = {static_cast<std::uint16_t>(open.port)}, .require = true})};
    CHECK(outcome_of(p, run_attack, attack_named("connect TCP"), at) == 0);
    CHECK(outcome_of(p, run_attack, attack_named("connect TCP"), beside) == EACCES);
    CHECK(outcome_of(p, run_attack, attack_named("connect UDP"), at) == violation);
    CHECK(outcome_of(p, run_attack, attack_named("connect MPTCP"), at) == violation);
  }
}

#ifdef __x86_64__

namespace {

/// A tests::call_maker in machine code: the arguments of a function into those of a system call.
constexpr unsigned char raw_call[] = {0x48, 0x89, 0xf8, 0x48, 0x89, 0xf7, 0x48, 0x89, 0xd6,
                                      0x48, 0x89, 0xca, 0x4d, 0x89, 0xc2, 0x4d, 0x89, 0xc8,
                                      0x4c, 0x8b, 0x4c, 0x24, 0x08, 0x0f, 0x05, 0xc3};
const std::vector<unsigned char> input(std::begin(raw_call), std::end(raw_call));

/// The exploit: bytes of the input become code, which then makes all system calls of the attack.
int jumps_into_input(std::size_t which, attack_targets at, std::vector<unsigned char> code) {
  void* page =
    ::mmap(nullptr, code.size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED)
    return errno;
  std::memcpy(page, code.data(), code.size());
  if (::mprotect(page, code.size(), PROT_READ | PROT_EXEC) != 0)
    return errno;
  const auto run = reinterpret_cast<tests::call_maker>(page);
  if (run(SYS_getpid, 0, 0, 0, 0, 0, 0) != ::getpid())
    return ENOEXEC;
  tests::make_calls_by(run);
  return attacks()[which].run(at);
}

} // namespace

TEST_CASE("code of the attacker's own choice cannot be made under strict") {
  tests::leak_guard guard;
  pool p{under({.base = sandbox_profile::strict})};
  try {
    p.submit(jumps_into_input, std::size_t{0}, attack_targets{}, input).get();
    FAIL("it ran");
  } catch (const worker_died& e) {
    CHECK(e.info().exit.cause == exit_cause::policy_violation);
    CHECK(e.info().message.find("mprotect(") != std::string::npos);
    CHECK(e.info().message.find("sandbox.executable_memory") != std::string::npos);
  }
}

TEST_CASE("an attacker whose own code runs under strict meets each of its answers") {
  tests::leak_guard guard;
  attack_all({.base = sandbox_profile::strict, .executable_memory = true, .require = true},
             &attack::strict, jumps_into_input, input);
}

TEST_CASE("an attacker whose own code runs under standard meets each of its answers") {
  tests::leak_guard guard;
  attack_all({.base = sandbox_profile::standard, .require = true}, &attack::standard,
             jumps_into_input, input);
}

#endif

TEST_CASE(
  "all threads of a sandboxed worker are under all of its filters, and without capabilities") {
  tests::leak_guard guard;
  pool p{under({.base = sandbox_profile::strict})};
  CHECK(p.submit(no_work).get() == 7);
  const auto tasks = "/proc/" + std::to_string(p.workers().at(0).pid) + "/task";
  int threads = 0;
  for (const auto& thread : std::filesystem::directory_iterator{tasks}) {
    ++threads;
    std::ifstream status{thread.path() / "status"};
    const std::string text{std::istreambuf_iterator<char>{status}, {}};
    for (const std::string line : {"NoNewPrivs:\t1\n", "Seccomp:\t2\n", "Seccomp_filters:\t2\n",
                                   "CapEff:\t0000000000000000\n", "CapPrm:\t0000000000000000\n"})
      CHECK_MESSAGE(text.find(line) != std::string::npos, line, text);
  }
  CHECK(threads == 2); // the task's, and the library's own
}
