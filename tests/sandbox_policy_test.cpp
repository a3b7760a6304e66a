// Policies as plain values: what is refused, and what a machine that has less makes of them.
#include "runtime/sandbox/call_filter.hpp"
#include "runtime/sandbox/call_names.hpp"
#include "runtime/sandbox/compile_policy.hpp"
#include "runtime/sandbox/profile_rules.hpp"
#include "runtime/sandbox/violation_text.hpp"

#include <bulkhead/error.hpp>
#include <bulkhead/sandbox.hpp>

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <vector>

using namespace bulkhead;
using namespace bulkhead::runtime::sandbox;

namespace {

constexpr abilities whole{.landlock = 6, .seccomp = true, .root = true};

std::string refusal(const sandbox_policy& policy, const abilities& has = whole) {
  try {
    compile_policy(policy, has, "pool_options::");
  } catch (const config_error& e) {
    return e.what();
  }
  return "";
}

void check_refusal(const sandbox_policy& policy, const std::vector<std::string>& parts) {
  const auto text = refusal(policy);
  for (const auto& part : parts)
    CHECK_MESSAGE(text.find(part) != std::string::npos, part, " in: ", text);
}

#ifdef __x86_64__
constexpr std::uint32_t machine = AUDIT_ARCH_X86_64;
#else
constexpr std::uint32_t machine = AUDIT_ARCH_AARCH64;
#endif

/// What the kernel does with a filter: a machine of one register.
std::uint32_t run(const std::vector<sock_filter>& code, const seccomp_data& data) {
  std::uint32_t a = 0;
  for (std::size_t at = 0; at < code.size(); ++at) {
    const auto& each = code[at];
    switch (each.code) {
    case BPF_LD | BPF_W | BPF_ABS:
      std::memcpy(&a, reinterpret_cast<const char*>(&data) + each.k, sizeof a);
      break;
    case BPF_ALU | BPF_AND | BPF_K:
      a &= each.k;
      break;
    case BPF_JMP | BPF_JEQ | BPF_K:
      at += a == each.k ? each.jt : each.jf;
      break;
    case BPF_JMP | BPF_JGE | BPF_K:
      at += a >= each.k ? each.jt : each.jf;
      break;
    case BPF_JMP | BPF_JA:
      at += each.k;
      break;
    case BPF_RET | BPF_K:
      return each.k;
    default:
      FAIL("an instruction that the compiler never makes");
    }
  }
  FAIL("the program ran off its end");
  return 0;
}

seccomp_data call(int number, std::vector<std::uint64_t> arguments = {}) {
  seccomp_data made{};
  made.nr = number;
  made.arch = machine;
  for (std::size_t i = 0; i < arguments.size(); ++i)
    made.args[i] = arguments[i];
  return made;
}

bool holds(const runtime::sandbox::condition& c, const seccomp_data& data) {
  const auto argument = data.args[c.argument];
  return (static_cast<std::uint32_t>(argument) & c.mask) == c.value
         && (!c.whole || argument >> 32 == 0);
}

/// The rules read plainly.
std::uint32_t expected(const call_rules& all, const seccomp_data& data) {
  const auto found = all.rules.find(data.nr);
  if (found == all.rules.end())
    return data.nr > all.newest ? all.unknown : all.unlisted;
  for (const auto& one : found->second.cases) {
    bool all_hold = true;
    for (const auto& c : one.conditions)
      all_hold = all_hold && holds(c, data);
    if (all_hold)
      return one.answer;
  }
  return found->second.otherwise;
}

std::uint32_t some_answer() {
  return *rc::gen::element<std::uint32_t>(SECCOMP_RET_ALLOW, SECCOMP_RET_TRAP,
                                          SECCOMP_RET_ERRNO | EPERM, SECCOMP_RET_ERRNO | ENOSYS);
}

call_rule some_rule() {
  call_rule made;
  made.otherwise = some_answer();
  for (auto cases = *rc::gen::inRange(0, 4); cases > 0; --cases) {
    argument_case one{{}, some_answer()};
    for (auto conditions = *rc::gen::inRange(1, 4); conditions > 0; --conditions) {
      runtime::sandbox::condition c;
      c.argument = *rc::gen::inRange(0U, 6U);
      c.mask = *rc::gen::element(~std::uint32_t{0}, std::uint32_t{3}, std::uint32_t{1});
      c.value = *rc::gen::inRange(0U, 4U) & c.mask;
      c.whole = *rc::gen::arbitrary<bool>();
      one.conditions.push_back(c);
    }
    made.cases.push_back(std::move(one));
  }
  return made;
}

call_rules some_rules() {
  call_rules made;
  made.unlisted = some_answer();
  made.unknown = some_answer();
  made.newest = *rc::gen::inRange(0, 400);
  for (auto rules = *rc::gen::inRange(0, 60); rules > 0; --rules)
    made.rules[*rc::gen::inRange(0, made.newest + 1)] = some_rule();
  return made;
}

} // namespace

TEST_CASE("a compiled filter answers as its rules read") {
  CHECK(rc::check([] {
    const auto rules = some_rules();
    const auto code = compile(rules);
    for (int i = 0; i < 50; ++i) {
      auto data = call(*rc::gen::inRange(0, 450));
      for (auto& each : data.args)
        each =
          *rc::gen::element<std::uint64_t>(0, 1, 2, 3, std::uint64_t{1} << 32, ~std::uint64_t{0});
      RC_ASSERT(run(code, data) == expected(rules, data));
    }
  }));
}

TEST_CASE("calls of another architecture end the process, whatever their number means here") {
  const auto code = compile(rules_for({.base = sandbox_profile::standard}, true));
  auto foreign = call(SYS_getpid);
  CHECK(run(code, foreign) == SECCOMP_RET_ALLOW);
  foreign.arch = AUDIT_ARCH_I386;
  CHECK(run(code, foreign) == SECCOMP_RET_KILL_PROCESS);
  CHECK(run(code, call(0x40000000 | SYS_getpid)) == SECCOMP_RET_KILL_PROCESS);
}

TEST_CASE("what a policy names is what its filter allows") {
  const auto answer = [](const sandbox_policy& policy, const seccomp_data& data,
                         bool scoped = true) {
    return run(compile(rules_for(policy, scoped)), data);
  };
  const sandbox_policy strict{.base = sandbox_profile::strict};
  const sandbox_policy standard{.base = sandbox_profile::standard};
  auto named = strict;
  named.allow_syscalls = {"mount"};
  CHECK(answer(strict, call(SYS_mount)) == violation());
  CHECK(answer(named, call(SYS_mount)) == allow());
  auto reads = strict;
  reads.read = {"/"};
  CHECK(answer(strict, call(SYS_openat)) == violation());
  CHECK(answer(reads, call(SYS_openat)) == allow());
  CHECK(answer(reads, call(SYS_unlinkat)) == violation());
  CHECK(answer(strict, call(SYS_mmap, {0, 4096, 4})) == violation()); // PROT_EXEC
  CHECK(answer(strict, call(SYS_mmap, {0, 4096, 3})) == allow());
  CHECK(answer(standard, call(SYS_mmap, {0, 4096, 4})) == allow());
  CHECK(answer(standard, call(SYS_kill, {1, 9}), true) == allow()); // Landlock's to refuse
  CHECK(answer(standard, call(SYS_kill, {1, 9}), false) == violation());
  CHECK(answer(standard, call(SYS_kill, {own_pid, 9}), false) == allow());
  CHECK(answer(strict, call(newest_call() + 1)) == refuse_with(ENOSYS));
}

TEST_CASE("a policy's bad values are named with their place and remedy") {
  const auto strict = sandbox_profile::strict;
  check_refusal({.read = {"/"}}, {"pool_options::sandbox.base is none", "choose"});
  check_refusal({.base = strict, .read = {"/no/such"}}, {"sandbox.read is \"/no/such\"", "exist"});
  check_refusal({.base = strict, .exec = {"/no/such"}}, {"sandbox.exec"});
  check_refusal({.base = strict, .connect = {0}}, {"sandbox.connect is 0", "1 to 65535"});
  check_refusal({.base = strict, .allow_syscalls = {"opne"}}, {"allow_syscalls", "\"opne\""});
  check_refusal({.base = strict, .environment = {"A=B"}}, {"sandbox.environment", "without ="});
  check_refusal({.base = sandbox_profile::standard, .threads = true},
                {"sandbox.threads", "leave it"});
  check_refusal({.base = strict, .first_user = 7}, {"first_user is 7", "1000"});
  CHECK(refusal({.base = strict}).empty());
}

TEST_CASE("require names what a machine lacks; without it the plan is made") {
  struct lack {
    abilities has;
    const char* name;
    sandbox_policy policy = {.base = sandbox_profile::standard};
  };
  sandbox_policy connecting{.base = sandbox_profile::strict, .connect = {443}};
  sandbox_policy own_user{.base = sandbox_profile::strict, .first_user = 100'000};
  for (auto& [has, name, policy] : std::vector<lack>{
         {{.landlock = 6, .seccomp = false, .root = true}, "seccomp is missing"},
         {{.landlock = 0, .seccomp = true, .root = true}, "landlock is missing"},
         {{.landlock = 2, .seccomp = true, .root = true}, "truncate"},
         {{.landlock = 3, .seccomp = true, .root = true}, "landlock_ports is missing", connecting},
         {{.landlock = 5, .seccomp = true, .root = true}, "landlock_signals is missing"},
         {{.landlock = 6, .seccomp = true, .root = false}, "own_user is missing", own_user}}) {
    CHECK(refusal(policy, has).empty());
    policy.require = true;
    CHECK_MESSAGE(refusal(policy, has).find(name) != std::string::npos, refusal(policy, has));
    CHECK(refusal(policy, whole).empty());
  }
}

TEST_CASE("a plan arrives as it was sent") {
  const auto plan = compile_policy({.base = sandbox_profile::standard,
                                    .write = {"/tmp"},
                                    .connect = {80, 443},
                                    .environment = {"HOME"},
                                    .first_user = 100'000},
                                   whole, "");
  const auto back = decode_plan(encode_plan(plan));
  CHECK(back.asked == plan.asked);
  CHECK(back.filter == plan.filter);
  CHECK(back.late_filter == plan.late_filter);
  CHECK(back.ports == plan.ports);
  CHECK(back.environment == plan.environment);
  CHECK(back.first_user == plan.first_user);
  CHECK(back.paths.size() == plan.paths.size());
}

TEST_CASE("a violation's text names the call by its name, and the member that would allow it") {
  const auto text = [](const char* name) {
    return violation_text(violation_of(*call_number(name), {1, 2, 3, 4, 5, 0x7fff00000000}, ""));
  };
  CHECK(text("socket").find("socket(1, 2, 3, 4, 5, 0x7fff00000000)") != std::string::npos);
  CHECK(text("socket").find("sandbox.connect") != std::string::npos);
  CHECK(text("execve").find("sandbox.exec") != std::string::npos);
  CHECK(text("mprotect").find("sandbox.executable_memory") != std::string::npos);
  CHECK(text("mount").find("sandbox.allow_syscalls with \"mount\"") != std::string::npos);
  CHECK(violation_text(violation_of(9999, {}, "")).find("number 9999") != std::string::npos);
}
