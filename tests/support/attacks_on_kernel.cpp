#include "tests/support/attacks.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/personality.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstring>

namespace bulkhead::tests {

namespace {

using target = const attack_targets&;

// By the network.

int connects(int family, int kind, int protocol, const void* to, std::size_t bytes) {
  const auto fd = call(SYS_socket, family, kind, protocol);
  return fd < 0 ? errno_of(fd) : errno_of(call(SYS_connect, fd, to, bytes));
}
int connects_inet(target t, int kind, int protocol) {
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<std::uint16_t>(t.port));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return connects(AF_INET, kind, protocol, &to, sizeof to);
}
int connects_tcp(target t) { return connects_inet(t, SOCK_STREAM, 0); }
int connects_udp(target t) { return connects_inet(t, SOCK_DGRAM, 0); }
int connects_mptcp(target t) { return connects_inet(t, SOCK_STREAM, 262); }
int connects_abstract(target t) {
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  std::memcpy(to.sun_path + 1, t.name.data(), t.name.size());
  return connects(AF_UNIX, SOCK_STREAM, 0, &to,
                  offsetof(sockaddr_un, sun_path) + 1 + t.name.size());
}
int connects_unix(target t) {
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  std::memcpy(to.sun_path, t.path.data(), t.path.size());
  return connects(AF_UNIX, SOCK_STREAM, 0, &to, sizeof to);
}
int sends_datagrams(target) {
  int pair[2];
  return errno_of(call(SYS_socketpair, AF_UNIX, SOCK_DGRAM, 0, pair));
}
// To whoever listens at an abstract name.
int sends_a_descriptor(target t) {
  const auto fd = call(SYS_socket, AF_UNIX, SOCK_DGRAM, 0);
  if (fd < 0)
    return errno_of(fd);
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  std::memcpy(to.sun_path + 1, t.name.data(), t.name.size());
  alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(sizeof(int))> room{};
  char byte = 0;
  iovec text{&byte, 1};
  msghdr message{};
  message.msg_name = &to;
  message.msg_namelen = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + t.name.size());
  message.msg_iov = &text;
  message.msg_iovlen = 1;
  message.msg_control = room.data();
  message.msg_controllen = room.size();
  auto* head = CMSG_FIRSTHDR(&message);
  head->cmsg_level = SOL_SOCKET;
  head->cmsg_type = SCM_RIGHTS;
  head->cmsg_len = CMSG_LEN(sizeof(int));
  const int own = 1;
  std::memcpy(CMSG_DATA(head), &own, sizeof own);
  return errno_of(call(SYS_sendmsg, fd, &message, 0));
}
int listens(target) { return errno_of(call(SYS_socket, AF_INET6, SOCK_STREAM, 0)); }
int listens_raw(target) { return errno_of(call(SYS_socket, AF_PACKET, SOCK_RAW, 0)); }
int talks_to_kernel(target) { return errno_of(call(SYS_socket, AF_NETLINK, SOCK_RAW, 0)); }
int talks_to_hypervisor(target) { return errno_of(call(SYS_socket, AF_VSOCK, SOCK_STREAM, 0)); }
int ciphers(target) { return errno_of(call(SYS_socket, AF_ALG, SOCK_SEQPACKET, 0)); }

constexpr attack by_network[] = {
  {"connect TCP", connects_tcp, violation, violation},
  {"connect UDP", connects_udp, violation, violation},
  {"connect MPTCP", connects_mptcp, violation, violation},
  {"connect abstract", connects_abstract, violation, EACCES},
  {"connect Unix", connects_unix, violation, EACCES},
  {"send datagrams", sends_datagrams, violation, violation},
  {"send a descriptor", sends_a_descriptor, violation, EACCES},
  {"listen", listens, violation, violation},
  {"raw socket", listens_raw, violation, violation},
  {"netlink", talks_to_kernel, violation, EACCES},
  {"vsock", talks_to_hypervisor, violation, violation},
  {"kernel's ciphers", ciphers, violation, violation},
};

// New processes and interfaces of the kernel.

int executes(target) {
  const char* const arguments[] = {"true", nullptr};
  return errno_of(call(SYS_execve, "/bin/true", arguments, 0));
}
int executes_by_descriptor(target) {
  const char* const arguments[] = {"true", nullptr};
  return errno_of(call(SYS_execveat, AT_FDCWD, "/bin/true", arguments, 0, 0));
}
int forks(target) {
  const auto child = call(SYS_clone, SIGCHLD, 0, 0, 0, 0);
  if (child == 0)
    ::_exit(0);
  return errno_of(child);
}
int clones_by_structure(target) {
  clone_args how{};
  how.exit_signal = SIGCHLD;
  const auto child = call(SYS_clone3, &how, sizeof how);
  if (child == 0)
    ::_exit(0);
  return errno_of(child);
}
int clones_into_namespaces(target) {
  const auto child = call(SYS_clone, SIGCHLD | CLONE_NEWUSER | CLONE_NEWPID, 0, 0, 0, 0);
  if (child == 0)
    ::_exit(0);
  return errno_of(child);
}
int rings_io(target) {
  std::array<std::byte, 256> parameters{};
  return errno_of(call(SYS_io_uring_setup, 4, parameters.data()));
}
int measures(target) {
  std::array<std::byte, 128> attributes{};
  return errno_of(call(SYS_perf_event_open, attributes.data(), 0, -1, -1, 0));
}
int changes_personality(target) { return errno_of(call(SYS_personality, ADDR_NO_RANDOMIZE)); }
int mounts(target) { return errno_of(call(SYS_mount, "none", "/tmp", "tmpfs", 0, 0)); }
int steals_terminal_input(target) { return errno_of(call(SYS_ioctl, 1, 0x5412, "x")); }
int traps_violations(target) {
  struct {
    void (*handler)(int);
    unsigned long flags;
    void (*restorer)();
    unsigned long mask;
  } ignore{SIG_IGN, 0, nullptr, 0};
  return errno_of(call(SYS_rt_sigaction, SIGSYS, &ignore, 0, sizeof ignore.mask));
}
#ifdef __x86_64__
int calls_as_32_bit(target) {
  int result = 0;
  asm volatile("int $0x80" : "=a"(result) : "a"(20) : "memory"); // getpid
  return result < 0 ? -result : 0;
}
int calls_as_x32(target) { return errno_of(call(0x40000000 | SYS_getpid)); }
#endif

/// A call that no profile knows, with arguments that do no harm where it is allowed.
template <long Number>
int bare(target) {
  return errno_of(call(Number, 0, 0, 0, 0, 0, 0));
}

constexpr attack on_kernel[] = {
  {"exec", executes, violation, violation},
  {"execveat", executes_by_descriptor, violation, violation},
  {"fork", forks, violation, violation},
  {"clone3", clones_by_structure, ENOSYS, ENOSYS},
  {"clone into namespaces", clones_into_namespaces, violation, violation},
  {"setsid", bare<SYS_setsid>, violation, violation},
  {"mount", mounts, violation, violation},
  {"unshare", bare<SYS_unshare>, violation, violation},
  {"setns", bare<SYS_setns>, violation, violation},
  {"chroot", bare<SYS_chroot>, violation, violation},
  {"pivot_root", bare<SYS_pivot_root>, violation, violation},
  {"move_mount", bare<SYS_move_mount>, violation, violation},
  {"open_tree", bare<SYS_open_tree>, violation, violation},
  {"fsopen", bare<SYS_fsopen>, violation, violation},
  {"umount2", bare<SYS_umount2>, violation, violation},
  {"userfaultfd", bare<SYS_userfaultfd>, violation, violation},
  {"io_uring_setup", rings_io, violation, violation},
  {"io_uring_enter", bare<SYS_io_uring_enter>, violation, violation},
  {"io_setup", bare<SYS_io_setup>, violation, violation},
  {"bpf", bare<SYS_bpf>, violation, violation},
  {"perf_event_open", measures, violation, violation},
  {"keyctl", bare<SYS_keyctl>, violation, violation},
  {"add_key", bare<SYS_add_key>, violation, violation},
  {"request_key", bare<SYS_request_key>, violation, violation},
  {"personality", changes_personality, violation, violation},
  {"shmget", bare<SYS_shmget>, violation, violation},
  {"msgget", bare<SYS_msgget>, violation, violation},
  {"semget", bare<SYS_semget>, violation, violation},
  {"mq_open", bare<SYS_mq_open>, violation, violation},
  {"fanotify_init", bare<SYS_fanotify_init>, violation, violation},
  {"name_to_handle_at", bare<SYS_name_to_handle_at>, violation, violation},
  {"init_module", bare<SYS_init_module>, violation, violation},
  {"finit_module", bare<SYS_finit_module>, violation, violation},
  {"kexec_load", bare<SYS_kexec_load>, violation, violation},
  {"reboot", bare<SYS_reboot>, violation, violation},
  {"swapon", bare<SYS_swapon>, violation, violation},
  {"syslog", bare<SYS_syslog>, violation, violation},
  {"sethostname", bare<SYS_sethostname>, violation, violation},
  {"settimeofday", bare<SYS_settimeofday>, violation, violation},
  {"clock_settime", bare<SYS_clock_settime>, violation, violation},
  {"adjtimex", bare<SYS_adjtimex>, violation, violation},
  {"acct", bare<SYS_acct>, violation, violation},
  {"quotactl", bare<SYS_quotactl>, violation, violation},
  {"vhangup", bare<SYS_vhangup>, violation, violation},
  {"move_pages", bare<SYS_move_pages>, violation, violation},
  {"migrate_pages", bare<SYS_migrate_pages>, violation, violation},
  {"capset", bare<SYS_capset>, violation, violation},
  {"setuid", bare<SYS_setuid>, violation, violation},
  {"setgroups", bare<SYS_setgroups>, violation, violation},
  {"TIOCSTI", steals_terminal_input, ENOTTY, ENOTTY},
  {"handler of SIGSYS", traps_violations, violation, violation},
  {"a filter of its own", bare<SYS_seccomp>, violation, violation},
#ifdef __x86_64__
  {"ioperm", bare<SYS_ioperm>, violation, violation},
  {"iopl", bare<SYS_iopl>, violation, violation},
  {"modify_ldt", bare<SYS_modify_ldt>, violation, violation},
  {"32-bit call", calls_as_32_bit, violation, violation},
  {"x32 call", calls_as_x32, violation, violation},
#endif
};

} // namespace

std::span<const attack> attacks_by_network() { return by_network; }
std::span<const attack> attacks_on_kernel() { return on_kernel; }

} // namespace bulkhead::tests
