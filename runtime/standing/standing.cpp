#include "runtime/standing/standing.hpp"

#include "runtime/system/descriptors.hpp"
#include "runtime/system/launch_error.hpp"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>

// What the host is at the moment of a launch, and how a forkserver becomes it: folder, limits,
// CPUs, mask, user and rights. Each function names the call that was refused; then this forkserver
// makes no more workers, and the host execs a new one.
namespace bulkhead::runtime {

namespace {

using cap_words = std::array<__user_cap_data_struct, 2>;

constexpr std::uint64_t bit(int capability) noexcept { return std::uint64_t{1} << capability; }

bool is_ambient(int capability) noexcept {
  return ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, capability, 0UL, 0UL) == 1;
}

// The kernel refuses numbers of capabilities that it does not know. What is not inheritable is not
// ambient (man 7 capabilities), so that is not asked for each.
void note_sets(standing::capabilities& into) noexcept {
  for (int each = 0; each < 64; ++each) {
    const auto bounding = ::prctl(PR_CAPBSET_READ, each, 0UL, 0UL, 0UL);
    if (bounding < 0)
      return;
    into.bounding |= bounding == 1 ? bit(each) : 0;
    into.ambient |= (into.inheritable & bit(each)) != 0 && is_ambient(each) ? bit(each) : 0;
  }
}

std::uint64_t secure_bits_now() noexcept {
  const auto bits = std::max(::prctl(PR_GET_SECUREBITS, 0UL, 0UL, 0UL, 0UL), 0);
  return static_cast<std::uint64_t>(bits & ~issecure_mask(SECURE_KEEP_CAPS));
}

standing::capabilities capabilities_now() noexcept {
  standing::capabilities made;
  __user_cap_header_struct head{_LINUX_CAPABILITY_VERSION_3, 0};
  cap_words words{};
  if (::syscall(SYS_capget, &head, words.data()) != 0)
    return {};
  const auto join = [](std::uint32_t low, std::uint32_t high) {
    return std::uint64_t{high} << 32 | low;
  };
  made.permitted = join(words[0].permitted, words[1].permitted);
  made.effective = join(words[0].effective, words[1].effective);
  made.inheritable = join(words[0].inheritable, words[1].inheritable);
  made.secure_bits = secure_bits_now();
  note_sets(made);
  return made;
}

// The three sets of capset(2).
bool set_capabilities(const standing::capabilities& to) noexcept {
  __user_cap_header_struct head{_LINUX_CAPABILITY_VERSION_3, 0};
  cap_words words{};
  for (std::size_t half = 0; half < words.size(); ++half) {
    const auto part = [half](std::uint64_t all) {
      return static_cast<std::uint32_t>(all >> (32 * half));
    };
    words[half] = {part(to.effective), part(to.permitted), part(to.inheritable)};
  }
  return ::syscall(SYS_capset, &head, words.data()) == 0;
}

bool set_ambient(std::uint64_t from, std::uint64_t to) noexcept {
  for (int each = 0; each < 64; ++each) {
    if (((from ^ to) & bit(each)) == 0)
      continue;
    const auto how = (to & bit(each)) != 0 ? PR_CAP_AMBIENT_RAISE : PR_CAP_AMBIENT_LOWER;
    if (::prctl(PR_CAP_AMBIENT, how, each, 0UL, 0UL) != 0)
      return false;
  }
  return true;
}

// What was dropped from this set never comes back: to have less than the host is no harm.
bool narrow_bounding(std::uint64_t from, std::uint64_t to) noexcept {
  for (int each = 0; each < 64; ++each)
    if ((from & ~to & bit(each)) != 0 && ::prctl(PR_CAPBSET_DROP, each, 0UL, 0UL, 0UL) != 0)
      return false;
  return true;
}

standing::ids users_now() noexcept {
  standing::ids made;
  ::getresuid(&made.real, &made.effective, &made.saved);
  return made;
}

standing::ids groups_now() noexcept {
  standing::ids made;
  ::getresgid(&made.real, &made.effective, &made.saved);
  return made;
}

std::vector<gid_t> more_groups_now() {
  std::vector<gid_t> groups(static_cast<std::size_t>(std::max(::getgroups(0, nullptr), 0)));
  const auto count = ::getgroups(static_cast<int>(groups.size()), groups.data());
  groups.resize(static_cast<std::size_t>(std::max(count, 0)));
  return groups;
}

// umask(2) tells only by changing it, which other threads would see.
std::int32_t mask_now() noexcept {
  const unique_fd file{::open("/proc/self/status", O_RDONLY | O_CLOEXEC)};
  std::array<char, 512> text{};
  if (!file || ::read(file.get(), text.data(), text.size() - 1) <= 0)
    return -1;
  const auto* line = std::strstr(text.data(), "\nUmask:");
  unsigned mask = 0;
  return line != nullptr && std::sscanf(line, "\nUmask: %o", &mask) == 1
           ? static_cast<std::int32_t>(mask)
           : -1;
}

bool is_here(int folder, const char* path) noexcept {
  struct stat there {};
  struct stat here {};
  return ::fstat(folder, &there) == 0 && ::stat(path, &here) == 0 && there.st_dev == here.st_dev
         && there.st_ino == here.st_ino;
}

const char* go_to(const place& where) noexcept {
  if (where.root >= 0 && !is_here(where.root, "/")
      && (::fchdir(where.root) != 0 || ::chroot(".") != 0))
    return "chroot";
  if (where.directory >= 0 && !is_here(where.directory, ".") && ::fchdir(where.directory) != 0)
    return "fchdir";
  return nullptr;
}

const char* take_limits(const standing& wanted) noexcept {
  for (unsigned which = 0; which < wanted.limits.size(); ++which) {
    const auto name = static_cast<__rlimit_resource>(which);
    const auto& to = wanted.limits[which];
    rlimit now{};
    if (::getrlimit(name, &now) != 0
        || (now.rlim_cur == to.rlim_cur && now.rlim_max == to.rlim_max))
      continue;
    if (::setrlimit(name, &to) != 0)
      return "setrlimit";
  }
  return nullptr;
}

const char* take_cpus(const standing& wanted) noexcept {
  cpu_set_t now{};
  if (CPU_COUNT(&wanted.cpus) == 0 || ::sched_getaffinity(0, sizeof now, &now) != 0
      || CPU_EQUAL(&now, &wanted.cpus))
    return nullptr;
  return ::sched_setaffinity(0, sizeof wanted.cpus, &wanted.cpus) == 0 ? nullptr
                                                                       : "sched_setaffinity";
}

// Groups before the user, whose change takes the right to change groups; the capabilities that the
// host has kept must survive it.
const char* take_ids(const standing& wanted) noexcept {
  // Without it the kernel clears all capabilities when the last id of root goes (man 7
  // capabilities).
  ::prctl(PR_SET_KEEPCAPS, 1UL, 0UL, 0UL, 0UL);
  if (::setgroups(wanted.groups.size(), wanted.groups.data()) != 0)
    return "setgroups";
  const auto& group = wanted.group;
  if (groups_now() != group && ::setresgid(group.real, group.effective, group.saved) != 0)
    return "setresgid";
  const auto& user = wanted.user;
  if (users_now() != user && ::setresuid(user.real, user.effective, user.saved) != 0)
    return "setresuid";
  ::prctl(PR_SET_KEEPCAPS, 0UL, 0UL, 0UL, 0UL);
  return nullptr;
}

// All that is permitted made effective, for the steps that need it; what this may not do fails
// there.
standing::capabilities raise_effective() noexcept {
  auto all = capabilities_now();
  all.effective = all.permitted;
  set_capabilities(all);
  return all;
}

// The permitted set last: the other steps need what the host may have given up.
const char* take_capabilities(const standing::capabilities& wanted) noexcept {
  auto now = raise_effective();
  now.inheritable = wanted.inheritable;
  if (!set_capabilities(now))
    return "capset(inheritable)";
  now = capabilities_now(); // an ambient one went with what it was inheritable from
  if (!set_ambient(now.ambient, wanted.ambient))
    return "prctl(PR_CAP_AMBIENT)";
  if (!narrow_bounding(now.bounding, wanted.bounding))
    return "prctl(PR_CAPBSET_DROP)";
  if (now.secure_bits != wanted.secure_bits
      && ::prctl(PR_SET_SECUREBITS, wanted.secure_bits, 0UL, 0UL, 0UL) != 0)
    return "prctl(PR_SET_SECUREBITS)";
  return set_capabilities(wanted) ? nullptr : "capset";
}

const char* take_rights(const standing& wanted) {
  if (users_now() != wanted.user || groups_now() != wanted.group
      || more_groups_now() != wanted.groups) {
    // The host may have lowered what changing ids needs.
    raise_effective();
    if (const auto* refused = take_ids(wanted); refused != nullptr)
      return refused;
  }
  if (capabilities_now() != wanted.able)
    if (const auto* refused = take_capabilities(wanted.able); refused != nullptr)
      return refused;
  if (wanted.no_new_privileges != ::prctl(PR_GET_NO_NEW_PRIVS, 0UL, 0UL, 0UL, 0UL)
      && ::prctl(PR_SET_NO_NEW_PRIVS, 1UL, 0UL, 0UL, 0UL) != 0)
    return "prctl(PR_SET_NO_NEW_PRIVS)";
  return wanted.no_new_privileges != ::prctl(PR_GET_NO_NEW_PRIVS, 0UL, 0UL, 0UL, 0UL)
           ? "leaving no_new_privs"
           : nullptr;
}

template <class T>
void put_part(std::vector<std::byte>& to, const T& value) {
  const auto bytes = std::as_bytes(std::span{&value, 1});
  to.insert(to.end(), bytes.begin(), bytes.end());
}

template <class T>
void get_part(std::span<const std::byte>& from, T& value) {
  if (from.size() < sizeof value)
    throw launch_error{"the request's standing of the host is cut short"};
  std::memcpy(&value, from.data(), sizeof value);
  from = from.subspan(sizeof value);
}

template <class Each>
void for_each_part(auto& of, Each each) {
  each(of.user);
  each(of.group);
  each(of.able);
  each(of.no_new_privileges);
  each(of.mask);
  each(of.cpus);
  each(of.limits);
}

} // namespace

void standing::restrict_to(const capabilities& most) noexcept {
  able.permitted &= most.permitted;
  able.effective &= most.permitted;
  able.ambient &= most.permitted;
}

standing standing::now() {
  standing made;
  made.user = users_now();
  made.group = groups_now();
  made.groups = more_groups_now();
  made.able = capabilities_now();
  made.no_new_privileges = ::prctl(PR_GET_NO_NEW_PRIVS, 0UL, 0UL, 0UL, 0UL);
  made.mask = mask_now();
  if (::sched_getaffinity(::getpid(), sizeof made.cpus, &made.cpus) != 0)
    made.cpus = {};
  for (unsigned which = 0; which < made.limits.size(); ++which)
    ::getrlimit(static_cast<__rlimit_resource>(which), &made.limits[which]);
  return made;
}

std::vector<std::byte> standing::encode() const {
  std::vector<std::byte> bytes;
  for_each_part(*this, [&](const auto& part) { put_part(bytes, part); });
  for (const auto each : groups)
    put_part(bytes, each);
  return bytes;
}

standing standing::decode(std::span<const std::byte> bytes) {
  standing made;
  for_each_part(made, [&](auto& part) { get_part(bytes, part); });
  while (!bytes.empty())
    get_part(bytes, made.groups.emplace_back());
  return made;
}

unique_fd name_of_folder(const char* path) noexcept {
  return above_stdio(unique_fd{::open(path, O_PATH | O_DIRECTORY | O_CLOEXEC)});
}

// The rights last: the rest may need those that the host has given up since.
const char* take_on(const standing& wanted, const place& where) noexcept {
  if (const auto* refused = go_to(where); refused != nullptr)
    return refused;
  if (const auto* refused = take_limits(wanted); refused != nullptr)
    return refused;
  if (const auto* refused = take_cpus(wanted); refused != nullptr)
    return refused;
  if (wanted.mask >= 0)
    ::umask(static_cast<mode_t>(wanted.mask));
  return take_rights(wanted);
}

} // namespace bulkhead::runtime
