#include "runtime/crash/forbidden_call.hpp"

#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cstring>
#include <span>

namespace bulkhead::runtime {

namespace {

constexpr int sent_by_filter = 1; ///< SYS_SECCOMP

struct named_file {
  long call;
  unsigned argument;
};

/// Calls that name a file, and where.
constexpr named_file calls_with_files[] = {
#ifdef SYS_open
  {SYS_open, 0},      {SYS_creat, 0},      {SYS_stat, 0},       {SYS_lstat, 0},
  {SYS_access, 0},    {SYS_readlink, 0},   {SYS_unlink, 0},     {SYS_mkdir, 0},
  {SYS_rmdir, 0},     {SYS_rename, 0},     {SYS_chmod, 0},      {SYS_chown, 0},
#endif
  {SYS_openat, 1},    {SYS_openat2, 1},    {SYS_newfstatat, 1}, {SYS_statx, 1},
  {SYS_faccessat, 1}, {SYS_faccessat2, 1}, {SYS_readlinkat, 1}, {SYS_unlinkat, 1},
  {SYS_mkdirat, 1},   {SYS_renameat2, 1},  {SYS_execve, 0},     {SYS_execveat, 1},
  {SYS_truncate, 0},  {SYS_chdir, 0},      {SYS_fchmodat, 1},   {SYS_fchownat, 1},
};

// The kernel reads, so that a bad address is an error and no crash. Byte by byte: a path may end
// where its memory does.
void copy_text(std::uintptr_t from, std::span<char> to) noexcept {
  for (std::size_t i = 0; i + 1 < to.size(); ++i) {
    const iovec target{&to[i], 1};
    const iovec source{reinterpret_cast<void*>(from + i), 1};
    if (::process_vm_readv(::getpid(), &target, 1, &source, 1, 0) != 1 || to[i] == '\0') {
      to[i] = '\0';
      return;
    }
  }
  to.back() = '\0';
}

} // namespace

bool is_forbidden_call(int signal, const siginfo_t& about) noexcept {
  return signal == SIGSYS && about.si_code == sent_by_filter;
}

void record_forbidden_call(const siginfo_t& about, const machine_context& at,
                           flight_recorder& into) noexcept {
  const auto number = static_cast<long>(about.si_syscall);
  // Plus one: zero means that there was none.
  into.call = static_cast<std::uint64_t>(number) + 1;
  for (std::size_t i = 0; i < 6; ++i)
    into.call_arguments[i] = at.call_argument(i);
  for (const auto& [call, argument] : calls_with_files)
    if (call == number)
      copy_text(into.call_arguments[argument], into.call_path);
}

} // namespace bulkhead::runtime
