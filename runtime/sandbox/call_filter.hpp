#pragma once

#include <linux/filter.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <vector>

namespace bulkhead::runtime::sandbox {

/// What the kernel answers to a system call: SECCOMP_RET_ALLOW and its kin.
using verdict = std::uint32_t;

verdict allow() noexcept;
/// The call is not made; the thread gets SIGSYS, and a worker's handler records call and arguments.
verdict violation() noexcept;
/// The call is not made and fails with this errno: for what libraries try and can do without.
verdict refuse_with(int error) noexcept;
/// The call waits until whoever holds the filter's listener has answered.
verdict notify_host() noexcept;

/// A number that the worker replaces by its own process number before it loads a filter.
inline constexpr std::uint32_t own_pid = 0x5afe01d5;

/// True where `value == (argument & mask)`. Only the lower half of an argument is looked at, as the
/// kernel does for arguments of type int; `whole` also wants its upper half to be zero.
struct condition {
  unsigned argument = 0;
  std::uint32_t value = 0;
  std::uint32_t mask = ~std::uint32_t{0};
  bool whole = false;
};

/// All conditions hold: this is the answer.
struct argument_case {
  std::vector<condition> conditions;
  verdict answer;
};

/// The answer to one system call: of the first case that holds, else `otherwise`.
struct call_rule {
  std::vector<argument_case> cases = {};
  verdict otherwise = 0;
};

/// Answers by number of the call. A plain value.
struct call_rules {
  std::map<int, call_rule> rules;
  verdict unlisted = 0; ///< of calls without a rule up to `newest`
  verdict unknown = 0;  ///< of those above it
  int newest = 0;
};

/// What the rules say of a call of the process `pid`: as the program that is made of them does.
verdict answer_of(const call_rules& rules, long number,
                  const std::array<std::uint64_t, 6>& arguments, std::uint32_t pid) noexcept;

/// The rules as a program for the kernel. Calls of another architecture (32-bit, x32) end the
/// process. Throws std::length_error for rules that need more than the kernel's 4096 instructions.
std::vector<sock_filter> compile(const call_rules& rules);

/// Puts a process number in the place of `own_pid`.
void put_own_pid(std::span<sock_filter> program, std::uint32_t pid) noexcept;

} // namespace bulkhead::runtime::sandbox
