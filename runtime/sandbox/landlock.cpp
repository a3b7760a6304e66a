#include "runtime/sandbox/landlock.hpp"

#include "runtime/sandbox/landlock_calls.hpp"
#include "runtime/system/unique_fd.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

namespace bulkhead::runtime::sandbox {

namespace {

struct ruleset_attributes {
  std::uint64_t files = 0;
  std::uint64_t ports = 0;
  std::uint64_t scopes = 0;
};

struct __attribute__((packed)) folder_rule {
  std::uint64_t access;
  std::int32_t parent;
};

struct port_rule {
  std::uint64_t access;
  std::uint64_t port;
};

constexpr int rule_for_folder = 1;
constexpr int rule_for_port = 2;
constexpr std::uint64_t bind_port = 1;
constexpr std::uint64_t connect_port = 2;
constexpr std::uint64_t abstract_sockets_and_signals = 3;
constexpr unsigned ask_version = 1;

int add_rule(int ruleset, int kind, const void* rule) noexcept {
  return ::syscall(SYS_landlock_add_rule, ruleset, kind, rule, 0U) == 0 ? 0 : errno;
}

// What cannot be opened by now is out of reach without a rule, too: no reason to forbid less.
int allow_path(int ruleset, const path_rule& rule, std::uint64_t known) noexcept {
  const unique_fd place{::open(rule.path.c_str(), O_PATH | O_CLOEXEC)};
  struct stat about {};
  if (!place || ::fstat(place.get(), &about) != 0)
    return 0;
  // The kernel refuses rights of folders in the rule of a file (EINVAL, man 2 landlock_add_rule).
  const auto fits = S_ISDIR(about.st_mode) ? ~std::uint64_t{0} : access_file::of_a_file;
  const folder_rule made{rule.access & known & fits, place.get()};
  return add_rule(ruleset, rule_for_folder, &made);
}

int allow_all(int ruleset, const sandbox_plan& plan, const ruleset_attributes& handled) noexcept {
  for (const auto& rule : plan.paths)
    if (const auto error = allow_path(ruleset, rule, handled.files); error != 0)
      return error;
  if (handled.ports == 0)
    return 0;
  for (const auto port : plan.ports) {
    const port_rule made{connect_port, port};
    if (const auto error = add_rule(ruleset, rule_for_port, &made); error != 0)
      return error;
  }
  return 0;
}

int restrict_self(const sandbox_plan& plan, const ruleset_attributes& handled) noexcept {
  const unique_fd ruleset{
    static_cast<int>(::syscall(SYS_landlock_create_ruleset, &handled, sizeof handled, 0U))};
  if (!ruleset)
    return errno;
  if (const auto error = allow_all(ruleset.get(), plan, handled); error != 0)
    return error;
  return ::syscall(SYS_landlock_restrict_self, ruleset.get(), 0U) == 0 ? 0 : errno;
}

} // namespace

int landlock_version() noexcept {
  const auto version = ::syscall(SYS_landlock_create_ruleset, nullptr, 0U, ask_version);
  return version < 0 ? 0 : static_cast<int>(version);
}

// A kernel that knows less takes a longer structure, too, as long as the rest of it is zero.
landlock_result confine(const sandbox_plan& plan) noexcept {
  const auto version = landlock_version();
  if (version == 0)
    return {ENOSYS, ENOSYS, ENOSYS};
  ruleset_attributes handled;
  handled.files = known_access(version);
  if (version >= version_for_ports)
    handled.ports = bind_port | connect_port;
  if (version >= version_for_scopes)
    handled.scopes = abstract_sockets_and_signals;
  if (const auto error = restrict_self(plan, handled); error != 0)
    return {error, error, error};
  return {version < version_for_truncate ? ENOSYS : 0, handled.ports == 0 ? ENOSYS : 0,
          handled.scopes == 0 ? ENOSYS : 0};
}

} // namespace bulkhead::runtime::sandbox
