#include "runtime/sandbox/close_sandbox.hpp"

#include "runtime/sandbox/call_filter.hpp"
#include "runtime/sandbox/clean_room.hpp"
#include "runtime/sandbox/landlock.hpp"
#include "runtime/system/launch_error.hpp"

#include <linux/seccomp.h>
#include <malloc.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

namespace bulkhead::runtime::sandbox {

namespace {

using program = std::vector<sock_filter>;

/// SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, which older headers lack.
constexpr unsigned until_killed = 1U << 5;

constinit bool audited = false; ///< on the thread that opens the audit, and closes the gate

/// Waits for close_late_gate.
program& late_gate() {
  static auto& waiting = *new program; // threads may still run at exit
  return waiting;
}

program as_program(const std::vector<std::byte>& bytes) {
  program made(bytes.size() / sizeof(sock_filter));
  if (!made.empty())
    std::memcpy(made.data(), bytes.data(), made.size() * sizeof(sock_filter));
  put_own_pid(made, static_cast<std::uint32_t>(::getpid()));
  return made;
}

// For all threads: there is one, or the library's own beside it, under the same filters.
int load_filter(program& code) noexcept {
  const sock_fprog whole{static_cast<unsigned short>(code.size()), code.data()};
  const auto failed =
    ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &whole);
  if (failed > 0) // the number of a thread that cannot take it
    return ESRCH;
  return failed == 0 ? 0 : errno;
}

} // namespace

// The order is a necessity: Landlock and filters want no_new_privs, other users want capabilities,
// and after the filter nothing of this is possible any more.
closing_errors close_sandbox(const sandbox_plan& plan) {
  closing_errors errors{};
  const auto note = [&](feature f, int error) { errors[static_cast<std::size_t>(f)] = error; };
  const auto asked = [&](feature f) { return (plan.asked & bit_of(f)) != 0; };
  // Both programs are made before anything is closed: later no memory might be had.
  auto filter = as_program(plan.filter);
  late_gate() = as_program(plan.late_filter);
  // With more than one arena, malloc reads a file of /proc when it gives memory back.
  if (plan.single_threaded)
    ::mallopt(M_ARENA_MAX, 1);
  note(feature::environment, empty_environment(plan.environment));
  if (asked(feature::own_user))
    note(feature::own_user, become_own_user(plan.first_user));
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1UL, 0UL, 0UL, 0UL) != 0)
    note(feature::capabilities, errno);
  else
    note(feature::capabilities, drop_capabilities());
  const auto confined = confine(plan);
  note(feature::files, confined.files);
  if (asked(feature::ports))
    note(feature::ports, confined.ports);
  note(feature::signals, confined.scopes);
  note(feature::system_calls, load_filter(filter));
  // The late gate is a part of the filter, and is no sandbox alone.
  if (errors[static_cast<std::size_t>(feature::system_calls)] != 0)
    late_gate().clear();
  return errors;
}

int open_audit(const sandbox_plan& plan) {
  audited = true;
  auto filter = as_program(plan.filter);
  if (plan.single_threaded) // as close_sandbox does: what malloc calls is to be the same
    ::mallopt(M_ARENA_MAX, 1);
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1UL, 0UL, 0UL, 0UL) != 0)
    throw launch_error{"prctl(PR_SET_NO_NEW_PRIVS)", errno};
  const sock_fprog whole{static_cast<unsigned short>(filter.size()), filter.data()};
  const auto load = [&](unsigned flags) {
    return static_cast<int>(::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &whole));
  };
  // A signal then does not break off a call that the host looks at, which would be noted twice;
  // older kernels (before 5.19) do not know it.
  auto listener = load(SECCOMP_FILTER_FLAG_NEW_LISTENER | until_killed);
  if (listener < 0 && errno == EINVAL)
    listener = load(SECCOMP_FILTER_FLAG_NEW_LISTENER);
  if (listener < 0)
    throw launch_error{"seccomp(SECCOMP_FILTER_FLAG_NEW_LISTENER)", errno};
  return listener;
}

int close_late_gate() noexcept {
  if (audited)
    ::syscall(SYS_seccomp, audit_begins, 0U, nullptr);
  if (late_gate().empty())
    return 0;
  const auto error = load_filter(late_gate());
  late_gate().clear();
  return error;
}

} // namespace bulkhead::runtime::sandbox
