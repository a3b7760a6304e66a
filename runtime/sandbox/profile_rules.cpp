#include "runtime/sandbox/profile_rules.hpp"

#include "runtime/sandbox/call_names.hpp"

#include <bulkhead/error.hpp>

#include <fcntl.h>
#include <linux/sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cerrno>
#include <csignal>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace bulkhead::runtime::sandbox {

namespace {

using names = std::span<const std::string_view>;

/// Memory, time, waiting, and the channel to the host: what every worker needs.
constexpr std::string_view computing[] = {
  "brk",
  "munmap",
  "mremap",
  "madvise",
  "membarrier",
  "mincore",
  "mlock",
  "munlock",
  "futex",
  "futex_waitv",
  "set_robust_list",
  "rseq",
  "sched_yield",
  "sched_getaffinity",
  "getcpu",
  "clock_gettime",
  "clock_getres",
  "clock_nanosleep",
  "nanosleep",
  "gettimeofday",
  "time",
  "getrandom",
  "sysinfo",
  "getrusage",
  "times",
  "getpid",
  "gettid",
  "waitid", // the worker's own look for children left behind
  "getppid",
  "getpgrp",
  "getpgid",
  "getuid",
  "geteuid",
  "getgid",
  "getegid",
  "rt_sigprocmask",
  "rt_sigreturn",
  "rt_sigpending",
  "rt_sigsuspend",
  "rt_sigtimedwait",
  "sigaltstack",
  "restart_syscall",
  "exit",
  "exit_group",
  "read",
  "write",
  "readv",
  "writev",
  "pread64",
  "pwrite64",
  "close",
  "fstat",
  "lseek",
  "poll",
  "ppoll",
  "select",
  "pselect6",
  "recvfrom",
  "recvmsg",
  "getsockname",
  "eventfd2",
  "epoll_create1",
  "epoll_ctl",
  "epoll_wait",
  "epoll_pwait",
  "epoll_pwait2"};

/// Looking at files. Which may be opened is Landlock's to say.
constexpr std::string_view reading[] = {
  "open",     "openat",     "openat2",   "stat",       "lstat",      "newfstatat",
  "statx",    "access",     "faccessat", "faccessat2", "readlink",   "readlinkat",
  "getdents", "getdents64", "fadvise64", "readahead",  "preadv",     "preadv2",
  "statfs",   "fstatfs",    "getcwd",    "chdir",      "fchdir",     "flock",
  "getxattr", "lgetxattr",  "fgetxattr", "listxattr",  "llistxattr", "flistxattr"};

constexpr std::string_view writing[] = {
  "creat",           "truncate", "ftruncate", "fallocate", "fsync",    "fdatasync",
  "sync_file_range", "mkdir",    "mkdirat",   "rmdir",     "unlink",   "unlinkat",
  "rename",          "renameat", "renameat2", "link",      "linkat",   "symlink",
  "symlinkat",       "mknod",    "mknodat",   "pwritev",   "pwritev2", "copy_file_range",
  "sendfile",        "umask",    "msync"};

/// What native libraries use beside: nothing of it reaches other processes.
constexpr std::string_view general[] = {"dup",
                                        "dup2",
                                        "dup3",
                                        "pipe",
                                        "pipe2",
                                        "eventfd",
                                        "epoll_create",
                                        "signalfd",
                                        "signalfd4",
                                        "timerfd_create",
                                        "timerfd_settime",
                                        "timerfd_gettime",
                                        "timer_create",
                                        "timer_settime",
                                        "timer_gettime",
                                        "timer_getoverrun",
                                        "timer_delete",
                                        "getitimer",
                                        "setitimer",
                                        "alarm",
                                        "pause",
                                        "splice",
                                        "tee",
                                        "vmsplice",
                                        "memfd_create",
                                        "msync",
                                        "mlock2",
                                        "mlockall",
                                        "munlockall",
                                        "mbind",
                                        "set_mempolicy",
                                        "get_mempolicy",
                                        "pkey_alloc",
                                        "pkey_free",
                                        "pkey_mprotect",
                                        "uname",
                                        "getresuid",
                                        "getresgid",
                                        "getgroups",
                                        "getpriority",
                                        "getsid",
                                        "capget",
                                        "sched_get_priority_max",
                                        "sched_get_priority_min",
                                        "sched_getparam",
                                        "sched_getscheduler",
                                        "sched_getattr",
                                        "sched_rr_get_interval",
                                        "get_robust_list",
                                        "set_tid_address",
                                        "arch_prctl",
                                        "recvmmsg",
                                        "shutdown",
                                        "getsockopt",
                                        "setsockopt",
                                        "getpeername",
                                        "inotify_init",
                                        "inotify_init1",
                                        "inotify_add_watch",
                                        "inotify_rm_watch",
                                        "umask",
                                        "close_range"};

constexpr std::string_view new_processes[] = {"execve", "fork", "vfork", "wait4", "setpgid"};

/// Metadata of files is beyond Landlock: a sandbox that may not change it says so, as a file system
/// without it does, because libraries copy it along where they can.
constexpr std::string_view metadata[] = {
  "chmod",    "fchmod",    "fchmodat",  "fchmodat2",   "chown",        "fchown",
  "lchown",   "fchownat",  "utime",     "utimes",      "futimesat",    "utimensat",
  "setxattr", "lsetxattr", "fsetxattr", "removexattr", "lremovexattr", "fremovexattr"};

constexpr std::uint32_t foreign_namespaces = CLONE_NEWCGROUP | CLONE_NEWIPC | CLONE_NEWNET
                                             | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUSER
                                             | CLONE_NEWUTS;
constexpr std::uint32_t kind_of_socket = 0xf; ///< the rest are SOCK_CLOEXEC and SOCK_NONBLOCK
constexpr std::uint32_t connects_by_sending = 0x20000000; ///< MSG_FASTOPEN

argument_case if_is(unsigned argument, std::uint32_t value, verdict answer) {
  return {{{.argument = argument, .value = value}}, answer};
}

argument_case if_masked(unsigned argument, std::uint32_t mask, std::uint32_t value,
                        verdict answer) {
  return {{{.argument = argument, .value = value, .mask = mask}}, answer};
}

argument_case if_null(unsigned argument, verdict answer) {
  return {{{.argument = argument, .value = 0, .whole = true}}, answer};
}

class builder {
public:
  explicit builder(const sandbox_policy& policy) : policy_(policy) {
    made_.unlisted = violation();
    made_.unknown = refuse_with(ENOSYS); // what a newer libc tries first, and then does without
    made_.newest = newest_call();
  }

  /// Not every machine has every call.
  void put(std::string_view name, call_rule rule) {
    if (const auto number = call_number(name))
      made_.rules.insert_or_assign(*number, std::move(rule));
  }
  void put(std::initializer_list<std::string_view> all, verdict answer) {
    put(names{all.begin(), all.size()}, answer);
  }
  void put(names all, verdict answer) {
    for (const auto name : all)
      put(name, {.otherwise = answer});
  }

  void memory();
  void self();
  void threads();
  void descriptors();
  void files();
  void plain_modes();
  void processes();
  void signals(bool scoped);
  void sockets();
  void by_name();
  call_rules take() { return std::move(made_); }

private:
  bool strict() const { return policy_.base == sandbox_profile::strict; }
  bool reads() const { return !strict() || !policy_.read.empty() || writes() || executes(); }
  bool writes() const { return !policy_.write.empty(); }
  bool executes() const { return !policy_.exec.empty(); }
  /// The answer to what a compute-only worker has no reason to do, and others may try.
  verdict milder(int error) const { return strict() ? violation() : refuse_with(error); }

  const sandbox_policy& policy_;
  call_rules made_;
};

void builder::memory() {
  const bool executable = !strict() || policy_.executable_memory || executes();
  const call_rule free{.otherwise = allow()};
  const call_rule no_code{{if_masked(2, PROT_EXEC, 0, allow())}, violation()};
  put("mmap", executable ? free : no_code);
  put("mprotect", executable ? free : no_code);
}

// Calls that name a process or thread: 0 is the caller's own.
void builder::self() {
  const auto allowed = allow();
  put("tgkill", {{if_is(0, own_pid, allowed)}, violation()});
  put("process_vm_readv", {{if_is(0, own_pid, allowed)}, violation()}); // the crash recorder's
  const auto denied = milder(EPERM);
  const argument_case only_reads = if_null(2, allowed);
  put("prlimit64",
      strict()
        ? call_rule{{{{{.argument = 0, .value = 0}, only_reads.conditions[0]}, allowed},
                     {{{.argument = 0, .value = own_pid}, only_reads.conditions[0]}, allowed}},
                    violation()}
        : call_rule{{if_is(0, 0, allowed), if_is(0, own_pid, allowed)}, denied});
  put({"getrlimit"}, allowed);
  put({"rt_sigaction"}, allowed);
  call_rule names_only{{if_is(0, PR_SET_NAME, allowed), if_is(0, PR_GET_NAME, allowed),
                        if_is(0, 0x53564d41, allowed)}, // PR_SET_VMA: names for memory
                       denied};
  if (!strict())
    for (const auto option :
         {PR_SET_PDEATHSIG, PR_GET_PDEATHSIG, PR_GET_DUMPABLE, PR_CAPBSET_READ, PR_GET_NO_NEW_PRIVS,
          PR_SET_NO_NEW_PRIVS, PR_SET_TIMERSLACK, PR_GET_TIMERSLACK, PR_GET_SECCOMP})
      names_only.cases.push_back(if_is(0, static_cast<std::uint32_t>(option), allowed));
  put("prctl", std::move(names_only));
  if (strict())
    return;
  for (const auto* call :
       {"sched_setaffinity", "sched_setparam", "sched_setscheduler", "sched_setattr"})
    put(call, {{if_is(0, 0, allowed), if_is(0, own_pid, allowed)}, denied});
  put("setpriority",
      {{{{{.argument = 0, .value = PRIO_PROCESS}, {.argument = 1, .value = 0}}, allowed}}, denied});
  put("personality", {{if_is(0, 0xffffffff, allowed)}, violation()}); // only asks
}

// clone3 has its flags in memory, where a filter cannot look: libc goes back to clone.
void builder::threads() {
  put({"clone3"}, refuse_with(ENOSYS));
  const auto only_threads = if_masked(0, CLONE_THREAD | foreign_namespaces, CLONE_THREAD, allow());
  const auto no_namespaces = if_masked(0, foreign_namespaces, 0, allow());
  put("clone", {{executes() ? no_namespaces : only_threads}, violation()});
  put({"seccomp"}, allow()); // until the late rules
}

void builder::descriptors() {
  call_rule commands{{}, milder(EINVAL)};
  for (const auto command : {F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_GETLK, F_SETLK,
                             F_SETLKW, F_OFD_GETLK, F_OFD_SETLK, F_OFD_SETLKW, F_DUPFD_CLOEXEC,
                             F_GETPIPE_SZ, F_SETPIPE_SZ, F_ADD_SEALS, F_GET_SEALS})
    commands.cases.push_back(if_is(1, static_cast<std::uint32_t>(command), allow()));
  put("fcntl", std::move(commands));
  call_rule requests{{}, refuse_with(ENOTTY)}; // libraries ask whether they write to a terminal
  if (!strict())
    for (const auto request : {TCGETS, TIOCGWINSZ, FIONREAD, FIONBIO, FIOCLEX, FIONCLEX})
      requests.cases.push_back(if_is(1, static_cast<std::uint32_t>(request), allow()));
  put("ioctl", std::move(requests));
}

void builder::files() {
  if (reads())
    put(reading, allow());
  if (!strict())
    put(general, allow());
  if (writes() || !strict()) { // Landlock refuses where nothing may be written: EACCES
    put(writing, allow());
    plain_modes();
  }
  if (!strict() || writes())
    put(metadata, refuse_with(EPERM));
}

// A file with the setuid bit would be a way to the host's user for everybody who can see it.
void builder::plain_modes() {
  constexpr std::uint32_t foreign_rights = S_ISUID | S_ISGID;
  constexpr std::uint32_t makes = O_CREAT | (O_TMPFILE & ~O_DIRECTORY);
  const auto plain = [](unsigned mode) { return if_masked(mode, foreign_rights, 0, allow()); };
  const auto opening = [&](unsigned flags) {
    return call_rule{{if_masked(flags, makes, 0, allow()), plain(flags + 1)}, refuse_with(EPERM)};
  };
  put("open", opening(1));
  put("openat", opening(2));
  put("creat", {{plain(1)}, refuse_with(EPERM)});
  put("mknod", {{plain(1)}, refuse_with(EPERM)});
  put("mknodat", {{plain(2)}, refuse_with(EPERM)});
  put({"openat2"}, refuse_with(ENOSYS)); // has its mode in memory, where a filter cannot look
}

void builder::processes() {
  if (!executes())
    return;
  put(new_processes, allow());
  put(general, allow());
}

void builder::signals(bool scoped) {
  const auto allowed = allow();
  if (strict() && !executes())
    return;
  const call_rule own{{if_is(0, own_pid, allowed)}, violation()};
  const call_rule anybody{.otherwise = allowed};
  for (const auto* call : {"kill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo"})
    put(call, scoped ? anybody : own);
}

// A datagram socket may send to any address without connecting, a stream cannot.
void builder::sockets() {
  const auto allowed = allow();
  const bool connects = !policy_.connect.empty();
  if (strict() && !connects)
    return;
  call_rule pairs{{}, violation()};
  for (const auto kind : {SOCK_STREAM, SOCK_SEQPACKET})
    pairs.cases.push_back(
      {{{.argument = 0, .value = AF_UNIX},
        {.argument = 1, .value = static_cast<std::uint32_t>(kind), .mask = kind_of_socket}},
       allowed});
  put("socketpair", std::move(pairs));
  // Look-ups of users and hosts try these, and then read files.
  call_rule kinds{
    {if_is(0, AF_UNIX, refuse_with(EACCES)), if_is(0, AF_NETLINK, refuse_with(EACCES))},
    violation()};
  for (const auto family : {AF_INET, AF_INET6})
    for (const std::uint32_t protocol : {0U, 6U}) // the family's own, or TCP: not MPTCP
      if (connects)
        kinds.cases.push_back({{{.argument = 0, .value = static_cast<std::uint32_t>(family)},
                                {.argument = 1, .value = SOCK_STREAM, .mask = kind_of_socket},
                                {.argument = 2, .value = protocol}},
                               allowed});
  put("socket", std::move(kinds));
  put("sendto", {{if_masked(3, connects_by_sending, 0, allowed)}, violation()});
  put("sendmsg", {{if_masked(2, connects_by_sending, 0, allowed)}, violation()});
  put("sendmmsg", {{if_masked(3, connects_by_sending, 0, allowed)}, violation()});
  if (connects)
    put({"connect", "getsockopt", "setsockopt", "getpeername", "shutdown"}, allowed);
}

void builder::by_name() {
  for (const auto& name : policy_.allow_syscalls) {
    if (!call_number(name))
      throw config_error("sandbox.allow_syscalls: \"" + name
                         + "\" is no system call that this machine knows; \"man 2 syscalls\" lists "
                           "them");
    put(name, {.otherwise = allow()});
  }
}

} // namespace

bool is_single_threaded(const sandbox_policy& policy) noexcept {
  return policy.base == sandbox_profile::strict && !policy.threads && policy.exec.empty();
}

call_rules rules_for(const sandbox_policy& policy, bool scoped_signals) {
  builder b{policy};
  b.put(computing, allow());
  b.files();
  b.processes();
  b.memory();
  b.self();
  b.threads();
  b.descriptors();
  b.signals(scoped_signals);
  b.sockets();
  b.by_name();
  return b.take();
}

call_rules late_rules_for(const sandbox_policy& policy) {
  call_rules made;
  made.unlisted = made.unknown = allow();
  made.newest = newest_call();
  const auto put = [&](const char* name, call_rule rule) {
    if (const auto number = call_number(name))
      made.rules[*number] = std::move(rule);
  };
  put("seccomp", {.otherwise = violation()});
  if (is_single_threaded(policy))
    put("clone", {.otherwise = violation()});
  // A handler that a task put in the place of ours would keep a violation from being told. What
  // starts programs resets all handlers in the child.
  if (policy.exec.empty())
    put("rt_sigaction", {{if_null(1, allow()), if_is(0, SIGSYS, violation())}, allow()});
  return made;
}

// The kernel takes the harsher of two answers; late rules are never the milder ones.
call_rules all_rules_for(const sandbox_policy& policy, bool scoped_signals) {
  auto all = rules_for(policy, scoped_signals);
  for (auto& [number, rule] : late_rules_for(policy).rules)
    all.rules.insert_or_assign(number, std::move(rule));
  return all;
}

} // namespace bulkhead::runtime::sandbox
