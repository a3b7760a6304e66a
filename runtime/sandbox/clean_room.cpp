#include "runtime/sandbox/clean_room.hpp"

#include <grp.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>

// What a sandboxed worker gives up of its host: variables, users, capabilities. It runs in the
// worker, before its filter is loaded.
namespace bulkhead::runtime::sandbox {

namespace {

bool fits(std::string_view variable, std::string_view pattern) noexcept {
  const auto name = variable.substr(0, variable.find('='));
  if (!pattern.ends_with('*'))
    return name == pattern;
  pattern.remove_suffix(1);
  return name.starts_with(pattern);
}

// The kernel writes: a string that the program keeps in read-only memory is an error and no crash.
void overwrite(char* text) noexcept {
  static constexpr std::array<char, 256> zeros{};
  for (auto left = std::strlen(text); left > 0;) {
    const auto count = std::min(left, zeros.size());
    const iovec from{const_cast<char*>(zeros.data()), count};
    const iovec to{text, count};
    if (::process_vm_writev(::getpid(), &from, 1, &to, 1, 0) <= 0)
      return;
    text += count;
    left -= count;
  }
}

} // namespace

int empty_environment(const std::vector<std::string>& kept) noexcept {
  if (environ == nullptr)
    return 0;
  char** last = environ;
  for (char** each = environ; *each != nullptr; ++each) {
    const auto stays = std::any_of(kept.begin(), kept.end(),
                                   [&](const auto& pattern) { return fits(*each, pattern); });
    if (stays)
      *last++ = *each;
    else
      overwrite(*each);
  }
  *last = nullptr;
  return 0;
}

int become_own_user(std::uint32_t first) noexcept {
  const auto own = first + static_cast<std::uint32_t>(::getpid());
  // Groups and group id first: without CAP_SETGID, which goes with the user, both would be refused.
  if (::setgroups(0, nullptr) != 0 || ::setresgid(own, own, own) != 0
      || ::setresuid(own, own, own) != 0)
    return errno;
  return 0;
}

int drop_capabilities() noexcept {
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
  // Not dumpable: other processes of the same user cannot trace it or read its memory (man 2
  // ptrace), and it leaves no core.
  ::prctl(PR_SET_DUMPABLE, 0UL, 0UL, 0UL, 0UL);
  ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0UL, 0UL, 0UL);
  __user_cap_header_struct head{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> data{};
  return ::syscall(SYS_capset, &head, data.data()) == 0 ? 0 : errno;
}

} // namespace bulkhead::runtime::sandbox
