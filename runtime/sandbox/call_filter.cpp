#include "runtime/sandbox/call_filter.hpp"

#include <linux/audit.h>
#include <linux/seccomp.h>

#include <algorithm>
#include <bit>
#include <stdexcept>
#include <string>
#include <utility>

// Rules of system calls as a program for seccomp(2). The kernel runs it for each call of the
// worker, so the numbers are searched in halves; a jump that can be far is an instruction of its
// own, since a conditional one reaches 255 instructions only.
namespace bulkhead::runtime::sandbox {

namespace {

using program = std::vector<sock_filter>;

#if defined(__x86_64__)
constexpr std::uint32_t this_machine = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr std::uint32_t this_machine = AUDIT_ARCH_AARCH64;
#else
#  error "the sandbox knows x86-64 and aarch64"
#endif
static_assert(std::endian::native == std::endian::little);

/// From here on the calls of x32, with numbers of their own meaning.
constexpr std::uint32_t first_foreign_call = 0x40000000;

constexpr std::uint16_t fetch = BPF_LD | BPF_W | BPF_ABS;
constexpr std::uint16_t if_equal = BPF_JMP | BPF_JEQ | BPF_K;
constexpr std::uint16_t if_at_least = BPF_JMP | BPF_JGE | BPF_K;
constexpr std::uint16_t skip = BPF_JMP | BPF_JA;
constexpr std::uint16_t keep_bits = BPF_ALU | BPF_AND | BPF_K;
constexpr std::uint16_t give = BPF_RET | BPF_K;

sock_filter step(std::uint16_t code, std::size_t value, std::uint8_t yes = 0,
                 std::uint8_t no = 0) noexcept {
  return {code, yes, no, static_cast<std::uint32_t>(value)};
}

constexpr std::size_t lower_half(unsigned argument) noexcept {
  return offsetof(seccomp_data, args) + std::size_t{8} * argument;
}

void append(program& to, const program& more) { to.insert(to.end(), more.begin(), more.end()); }

// Where the condition does not hold, the next `rest` instructions are passed over.
void add_condition(program& to, const condition& c, std::size_t rest) {
  to.push_back(step(fetch, lower_half(c.argument)));
  if (c.mask != ~std::uint32_t{0})
    to.push_back(step(keep_bits, c.mask));
  const auto upper = c.whole ? std::size_t{3} : 0;
  to.push_back(step(if_equal, c.value, 1, 0));
  to.push_back(step(skip, upper + rest));
  if (!c.whole)
    return;
  to.push_back(step(fetch, lower_half(c.argument) + 4));
  to.push_back(step(if_equal, 0, 1, 0));
  to.push_back(step(skip, rest));
}

// Backwards: how far a condition that fails must jump depends on what follows it.
program case_code(const argument_case& one) {
  program code{step(give, one.answer)};
  for (auto c = one.conditions.rbegin(); c != one.conditions.rend(); ++c) {
    program with;
    add_condition(with, *c, code.size());
    append(with, code);
    code = std::move(with);
  }
  return code;
}

program rule_code(const call_rule& rule) {
  program code;
  for (const auto& one : rule.cases)
    append(code, case_code(one));
  code.push_back(step(give, rule.otherwise));
  return code;
}

/// From a number on, until the next one's, this code decides.
struct range {
  std::uint32_t from;
  program code;
};

std::vector<range> ranges_of(const call_rules& all) {
  std::vector<range> made;
  std::uint32_t next = 0;
  const auto fill_until = [&](std::uint32_t number) {
    if (next < number)
      made.push_back({next, {step(give, all.unlisted)}});
  };
  for (const auto& [number, rule] : all.rules) {
    const auto at = static_cast<std::uint32_t>(number);
    fill_until(at);
    auto code = rule_code(rule);
    const auto& last = made.empty() ? program{} : made.back().code;
    // Neighbours with the same answer share a range: the program is limited, and each range costs a
    // step.
    const bool same = code.size() == 1 && last.size() == 1 && code[0].k == last[0].k;
    if (!same)
      made.push_back({at, std::move(code)});
    next = at + 1;
  }
  fill_until(static_cast<std::uint32_t>(all.newest) + 1);
  made.push_back(
    {std::max(next, static_cast<std::uint32_t>(all.newest) + 1), {step(give, all.unknown)}});
  return made;
}

// The number of the call is in the accumulator.
program search(std::span<range> among) {
  if (among.size() == 1)
    return std::move(among[0].code);
  const auto middle = among.size() / 2;
  const auto pivot = among[middle].from;
  const auto below = search(among.first(middle));
  const auto above = search(among.subspan(middle));
  program code{step(if_at_least, pivot, 0, 1), step(skip, below.size())};
  append(code, below);
  append(code, above);
  return code;
}

} // namespace

verdict allow() noexcept { return SECCOMP_RET_ALLOW; }
verdict violation() noexcept { return SECCOMP_RET_TRAP; }
verdict refuse_with(int error) noexcept {
  return SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(error);
}
verdict notify_host() noexcept { return SECCOMP_RET_USER_NOTIF; }

verdict answer_of(const call_rules& rules, long number,
                  const std::array<std::uint64_t, 6>& arguments, std::uint32_t pid) noexcept {
  const auto found = rules.rules.find(static_cast<int>(number));
  if (found == rules.rules.end())
    return number > rules.newest ? rules.unknown : rules.unlisted;
  const auto holds = [&](const condition& c) {
    const auto argument = arguments[c.argument];
    const auto value = c.value == own_pid ? pid : c.value;
    return (static_cast<std::uint32_t>(argument) & c.mask) == value
           && (!c.whole || argument >> 32 == 0);
  };
  for (const auto& one : found->second.cases)
    if (std::ranges::all_of(one.conditions, holds))
      return one.answer;
  return found->second.otherwise;
}

program compile(const call_rules& rules) {
  auto ranges = ranges_of(rules);
  program code{
    step(fetch, offsetof(seccomp_data, arch)),   step(if_equal, this_machine, 1, 0),
    step(give, SECCOMP_RET_KILL_PROCESS),        step(fetch, offsetof(seccomp_data, nr)),
    step(if_at_least, first_foreign_call, 0, 1), step(give, SECCOMP_RET_KILL_PROCESS),
  };
  // Behind the checks of architecture: numbers of another one mean other calls, and would pass the
  // rules of this one.
  append(code, search(ranges));
  if (code.size() > BPF_MAXINSNS)
    throw std::length_error("the sandbox's filter needs " + std::to_string(code.size())
                            + " instructions; the kernel takes " + std::to_string(BPF_MAXINSNS));
  return code;
}

void put_own_pid(std::span<sock_filter> program, std::uint32_t pid) noexcept {
  for (auto& each : program)
    if (each.code == if_equal && each.k == own_pid)
      each.k = pid;
}

} // namespace bulkhead::runtime::sandbox
