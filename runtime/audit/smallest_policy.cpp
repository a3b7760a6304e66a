#include "runtime/audit/smallest_policy.hpp"

#include "runtime/audit/policy_judge.hpp"
#include "runtime/sandbox/call_names.hpp"

#include <linux/sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

// One call after the other: what the policy so far does not allow adds the narrowest member that
// does. Programs come first, since a policy with one allows the calls that start it; then files,
// widest first, and addresses, whose members allow the calls that reach them; the rest by name.
namespace bulkhead::runtime::audit {

namespace fs = std::filesystem;
using sandbox::place_use;

namespace {

/// From so many files of a folder on the folder stands for them.
constexpr std::size_t many = 8;

int rank_of(place_use use) {
  switch (use) {
  case place_use::execute:
    return 0;
  case place_use::make:
    return 1;
  case place_use::write:
    return 2;
  case place_use::read:
    return 3;
  case place_use::address:
    return 4;
  default:
    return 5;
  }
}

bool is_own_process(const std::string& path) { return path.starts_with("/proc/self"); }

/// The path, or the folder that is left of it.
std::string left_of(const std::string& path) {
  if (is_own_process(path))
    return path;
  std::error_code none;
  auto left = fs::path{path};
  while (left.has_relative_path() && !fs::exists(left, none))
    left = left.parent_path();
  return left;
}

class reduction {
public:
  explicit reduction(sandbox_policy from) : policy_(std::move(from)), judge_(policy_) {}

  void take(const audited_call& call) {
    const auto effect = judge_(call);
    if (!effect || *effect == audit_effect::refused)
      return;
    add_place(call);
    judge_ = policy_judge{policy_};
    if (judge_(call) != audit_effect::ends_worker)
      return;
    if (add_call(call))
      judge_ = policy_judge{policy_};
  }

  sandbox_policy result() && {
    fold(policy_.read);
    return std::move(policy_);
  }

private:
  bool strict() const { return policy_.base == sandbox_profile::strict; }

  void add_place(const audited_call& call) {
    switch (call.use) {
    case place_use::execute:
      return add(policy_.exec, left_of(call.target));
    case place_use::make:
      return add(policy_.write, left_of(fs::path{call.target}.parent_path()));
    case place_use::write:
      return add(policy_.write, left_of(call.target));
    case place_use::read:
      return add(policy_.read, left_of(call.target));
    case place_use::address:
      if (call.port != 0 && call.number == SYS_connect)
        add(policy_.connect, call.port);
      return;
    default:
      return;
    }
  }

  /// The members that allow it; a new process needs what a thread does, and the call itself.
  bool add_call(const audited_call& call) {
    const bool is_clone = call.number == SYS_clone;
    if (strict() && is_clone)
      policy_.threads = true;
    if (is_clone && (call.arguments[0] & CLONE_THREAD) != 0)
      return true;
    if (strict() && (call.number == SYS_mmap || call.number == SYS_mprotect))
      policy_.executable_memory = true;
    else if (const auto name = sandbox::call_name(call.number); sandbox::call_number(name))
      add(policy_.allow_syscalls, name);
    else
      return false;
    return true;
  }

  template <class T>
  static void add(std::vector<T>& to, T what) {
    if (std::ranges::find(to, what) == to.end())
      to.push_back(std::move(what));
  }

  static void fold(std::vector<std::string>& paths) {
    std::map<std::string, std::size_t> in_folder;
    for (const auto& each : paths)
      ++in_folder[fs::path{each}.parent_path()];
    const auto folds = [&](const std::string& folder) {
      return in_folder[folder] >= many && folder != "/" && !is_own_process(folder);
    };
    std::vector<std::string> folded;
    for (const auto& each : paths) {
      const auto folder = fs::path{each}.parent_path().native();
      add(folded, folds(folder) ? folder : each);
    }
    paths = std::move(folded);
  }

  sandbox_policy policy_;
  policy_judge judge_;
};

} // namespace

sandbox_policy smallest_policy(sandbox_policy from, std::span<const audited_call> calls) {
  std::vector<const audited_call*> order;
  for (const auto& each : calls)
    order.push_back(&each);
  const auto place = [](const audited_call* call) {
    return std::pair{rank_of(call->use), call->target.size()};
  };
  std::ranges::stable_sort(order, {}, place);
  reduction smallest{std::move(from)};
  for (const auto* each : order)
    smallest.take(*each);
  return std::move(smallest).result();
}

} // namespace bulkhead::runtime::audit
