#include "runtime/sandbox/compile_policy.hpp"

#include "runtime/sandbox/audit_rules.hpp"
#include "runtime/sandbox/landlock_calls.hpp"
#include "runtime/sandbox/profile_rules.hpp"

#include <bulkhead/audit.hpp>
#include <bulkhead/error.hpp>

#include <linux/capability.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <string_view>
#include <system_error>

// From a policy to what a worker carries out: paths, ports, filters as bytes. It runs in the host,
// when the pool is made, so that whatever is wrong is told there; the worker decides nothing.
namespace bulkhead::runtime::sandbox {

namespace {

/// Process numbers end before this one.
constexpr std::uint32_t most_processes = 4U << 20;

/// Where the loader, the language and the clock look; readable beside what policy.read names.
constexpr std::string_view system_files[] = {"/lib",
                                             "/lib32",
                                             "/lib64",
                                             "/usr/lib",
                                             "/usr/lib32",
                                             "/usr/lib64",
                                             "/usr/local/lib",
                                             "/etc/ld.so.cache",
                                             "/etc/localtime",
                                             "/usr/share/zoneinfo",
                                             "/usr/share/locale",
                                             "/dev/null",
                                             "/dev/zero",
                                             "/dev/random",
                                             "/dev/urandom",
                                             "/proc/self",
                                             "/sys/devices/system/cpu"};
constexpr std::string_view writable_devices[] = {"/dev/null", "/dev/zero", "/dev/full"};
constexpr std::string_view kept_variables[] = {"PATH", "LANG", "LC_*", "TZ"};

[[noreturn]] void refuse(const std::string& member, const std::string& value,
                         const std::string& why) {
  throw config_error(member + " is " + value + "; " + why);
}

bool is_own_process(const std::string& path) {
  const auto plain = std::filesystem::path{path}.lexically_normal().native();
  return plain == "/proc/self" || plain.starts_with("/proc/self/");
}

class compiler {
public:
  compiler(const sandbox_policy& policy, const abilities& has, const std::string& where)
    : policy_(policy), has_(has), where_(where + "sandbox") {}

  sandbox_plan run() {
    check_members();
    if (policy_.base == sandbox_profile::none)
      return {};
    plan_.audit = policy_.audit != nullptr;
    plan_.require = policy_.require && !plan_.audit;
    plan_.asked = asked();
    if (plan_.audit && !has_.notices)
      refuse(where_ + ".audit", "set", "and the kernel's filters cannot ask the host (Linux 5.5)");
    if (plan_.require)
      require_all();
    add_paths();
    plan_.ports.assign(policy_.connect.begin(), policy_.connect.end());
    add_filters();
    add_environment();
    plan_.first_user = policy_.first_user;
    return std::move(plan_);
  }

private:
  bool strict() const { return policy_.base == sandbox_profile::strict; }

  void check_members() const {
    if (policy_.base > sandbox_profile::strict)
      refuse(where_ + ".base", "no profile", "allowed: none, standard, strict");
    if (policy_.base == sandbox_profile::none && policy_ != sandbox_policy{})
      refuse(where_ + ".base", "none",
             "but other members are set, which have no effect then: choose standard or strict");
    if (!strict() && (policy_.threads || policy_.executable_memory))
      refuse(where_ + (policy_.threads ? ".threads" : ".executable_memory"), "true",
             "which only strict forbids: leave it out");
    for (const auto port : policy_.connect)
      if (port == 0)
        refuse(where_ + ".connect", "0", "allowed: numbers of TCP ports, 1 to 65535");
    for (const auto& name : policy_.environment)
      if (name.empty() || name.find('=') != std::string::npos)
        refuse(where_ + ".environment", '"' + name + '"', "allowed: names of variables, without =");
    check_user();
  }

  void check_user() const {
    const auto first = policy_.first_user;
    if (first == 0)
      return;
    if (first < 1000 || first > ~std::uint32_t{0} - most_processes - 2)
      refuse(where_ + ".first_user", std::to_string(first),
             "allowed: 1000 to " + std::to_string(~std::uint32_t{0} - most_processes - 2)
               + "; it and the 4194304 numbers above it must belong to nobody");
  }

  std::uint32_t asked() const {
    auto all = bit_of(feature::system_calls) | bit_of(feature::files) | bit_of(feature::signals)
               | bit_of(feature::capabilities) | bit_of(feature::environment);
    if (!policy_.connect.empty())
      all |= bit_of(feature::ports);
    if (policy_.first_user != 0)
      all |= bit_of(feature::own_user);
    return all;
  }

  void require_all() const {
    if (!has_.seccomp)
      lack(feature::system_calls, "the kernel has no seccomp filters");
    if (has_.landlock == 0)
      lack(feature::files,
           "the kernel has no Landlock (Linux 5.13, and \"landlock\" among its lsm=)");
    if (has_.landlock < version_for_truncate)
      lack(feature::files, "the kernel's Landlock cannot forbid truncate (Linux 6.2 can)");
    if (has_.landlock < version_for_ports && !policy_.connect.empty())
      lack(feature::ports, "the kernel's Landlock knows no ports (Linux 6.7 does)");
    if (has_.landlock < version_for_scopes)
      lack(feature::signals, "the kernel's Landlock knows no scopes (Linux 6.12 does)");
    if (!has_.root && policy_.first_user != 0)
      lack(feature::own_user, "this process may not become another user (it lacks CAP_SETUID)");
  }

  [[noreturn]] void lack(feature f, const std::string& why) const {
    throw config_error(where_ + ".require is true, and " + name_of(f) + " is missing: " + why
                       + "; without require the pool starts with less, and isolation() tells what");
  }

  void add_paths() {
    using namespace access_file;
    if (!policy_.read.empty() || !policy_.exec.empty() || !policy_.write.empty() || !strict())
      for (const auto path : system_files)
        add_if_there(path, reading);
    if (!strict()) {
      if (policy_.read.empty())
        plan_.paths.push_back({"/", reading});
      for (const auto path : writable_devices)
        add_if_there(path, read | write);
    }
    add(policy_.read, ".read", reading);
    add(policy_.write, ".write", reading | writing);
    add(policy_.exec, ".exec", reading | execute);
    if (!policy_.exec.empty()) // the program's own loader is executed with it
      for (const auto* path : {"/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1"})
        add_if_there(path, read | execute);
  }

  void add_if_there(std::string_view path, std::uint64_t access) {
    std::error_code none;
    if (std::filesystem::exists(path, none))
      plan_.paths.push_back({std::string{path}, access});
  }

  void add(const std::vector<std::string>& paths, const char* member, std::uint64_t access) {
    for (const auto& path : paths) {
      // Each worker's own, not the host's.
      if (is_own_process(path)) {
        plan_.paths.push_back({std::filesystem::path{path}.lexically_normal(), access});
        continue;
      }
      std::error_code failed;
      // Links are followed once, here: one that points elsewhere when a worker starts opens nothing
      // more.
      const auto real = std::filesystem::canonical(path, failed);
      if (failed)
        refuse(where_ + member, '"' + path + '"',
               "which cannot be followed: " + failed.message()
                 + "; name files and folders that exist");
      plan_.paths.push_back({real.native(), access});
    }
  }

  void add_filters() {
    const auto bytes = [](const call_rules& rules) {
      const auto code = compile(rules);
      const auto all = std::as_bytes(std::span{code});
      return std::vector<std::byte>{all.begin(), all.end()};
    };
    plan_.single_threaded = is_single_threaded(policy_);
    if (plan_.audit) {
      plan_.filter = bytes(audit_rules_for(policy_));
      return;
    }
    plan_.filter = bytes(rules_for(policy_, has_.landlock >= version_for_scopes));
    plan_.late_filter = bytes(late_rules_for(policy_));
  }

  void add_environment() {
    plan_.environment.assign(std::begin(kept_variables), std::end(kept_variables));
    plan_.environment.insert(plan_.environment.end(), policy_.environment.begin(),
                             policy_.environment.end());
  }

  const sandbox_policy& policy_;
  const abilities& has_;
  const std::string where_;
  sandbox_plan plan_;
};

bool has_filters(std::uint32_t action) noexcept {
  return ::syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}

bool may_change_user() noexcept {
  __user_cap_header_struct head{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3]{};
  if (::syscall(SYS_capget, &head, data) != 0)
    return false;
  const auto both = (1U << CAP_SETUID) | (1U << CAP_SETGID);
  return (data[0].effective & both) == both;
}

} // namespace

abilities abilities::of_this_machine() noexcept {
  return {.landlock = landlock_version(),
          .seccomp = has_filters(SECCOMP_RET_TRAP),
          .root = may_change_user(),
          .notices = has_filters(SECCOMP_RET_USER_NOTIF)};
}

sandbox_plan compile_policy(const sandbox_policy& policy, const abilities& has,
                            const std::string& where) {
  return compiler{policy, has, where}.run();
}

packed_plan pack_policy(const sandbox_policy& policy, const std::string& where) {
  if (policy == sandbox_policy{})
    return {};
  const auto plan = compile_policy(policy, abilities::of_this_machine(), where);
  if (policy.audit)
    policy.audit->belong_to(policy);
  return {std::make_shared<const std::vector<std::byte>>(encode_plan(plan)), plan.asked,
          policy.audit};
}

} // namespace bulkhead::runtime::sandbox

namespace bulkhead {

void check(const sandbox_policy& policy) { runtime::sandbox::pack_policy(policy, ""); }

} // namespace bulkhead
