#include "tests/support/attacks.hpp"

#include <doctest/doctest.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <stdexcept>

namespace bulkhead::tests {

namespace {

constinit call_maker own_code = nullptr;

using target = const attack_targets&;

int open_file(const std::string& path, int flags) {
  return errno_of(call(SYS_openat, AT_FDCWD, path.c_str(), flags, 0600));
}

std::string proc(int pid, const char* file) { return "/proc/" + std::to_string(pid) + '/' + file; }

// Against processes.

int reads_host_memory(target t) { return open_file(proc(t.host, "mem"), O_RDWR); }
int reads_sibling_memory(target t) { return open_file(proc(t.sibling, "mem"), O_RDWR); }
int reads_host_environment(target t) { return open_file(proc(t.host, "environ"), O_RDONLY); }

int copies_memory(target t, long number) {
  std::uint64_t word = 0;
  iovec own{&word, sizeof word};
  iovec theirs{reinterpret_cast<void*>(t.address), sizeof word};
  return errno_of(call(number, t.host, &own, 1, &theirs, 1, 0));
}
int copies_host_memory(target t) { return copies_memory(t, SYS_process_vm_readv); }
int overwrites_host_memory(target t) { return copies_memory(t, SYS_process_vm_writev); }
int traces_host(target t) { return errno_of(call(SYS_ptrace, PTRACE_SEIZE, t.host, 0, 0)); }
int traces_sibling(target t) { return errno_of(call(SYS_ptrace, PTRACE_SEIZE, t.sibling, 0, 0)); }
int kills_host(target t) { return errno_of(call(SYS_kill, t.host, 0)); }
int kills_forkserver(target) { return errno_of(call(SYS_kill, ::getppid(), 0)); }
int kills_sibling(target t) { return errno_of(call(SYS_kill, t.sibling, SIGKILL)); }
int tkills_sibling(target t) { return errno_of(call(SYS_tkill, t.sibling, SIGKILL)); }
int tgkills_sibling(target t) { return errno_of(call(SYS_tgkill, t.sibling, t.sibling, SIGKILL)); }
int opens_pidfd_of_sibling(target t) { return errno_of(call(SYS_pidfd_open, t.sibling, 0)); }
// Each worker has one of its host, and sees its end by it.
int signals_by_pidfds_that_it_has(target) {
  long last = -EBADF;
  for (int fd = 3; fd < 64; ++fd)
    if (last = call(SYS_pidfd_send_signal, fd, 0, 0, 0); last == 0)
      return 0;
  return errno_of(last);
}
int takes_descriptors(target) {
  long last = -EBADF;
  for (int fd = 3; fd < 64; ++fd)
    if (last = call(SYS_pidfd_getfd, fd, 0, 0); last >= 0)
      return 0;
  return errno_of(last);
}
int queues_signal(target t) {
  siginfo_t about{};
  about.si_code = SI_QUEUE;
  return errno_of(call(SYS_rt_sigqueueinfo, t.sibling, SIGTERM, &about));
}
int limits_host(target t) {
  rlimit none{0, RLIM_INFINITY};
  return errno_of(call(SYS_prlimit64, t.host, RLIMIT_CORE, &none, 0));
}
int moves_host_to_a_cpu(target t) {
  const unsigned long first = 1;
  return errno_of(call(SYS_sched_setaffinity, t.host, sizeof first, &first));
}
int renices_host(target t) { return errno_of(call(SYS_setpriority, PRIO_PROCESS, t.host, 0)); }
int compares_with_host(target t) { return errno_of(call(SYS_kcmp, ::getpid(), t.host, 0, 0, 0)); }
int advises_host_memory(target) { return errno_of(call(SYS_process_madvise, 3, 0, 0, 0, 0)); }
int owns_signals_of_a_descriptor(target t) {
  return errno_of(call(SYS_fcntl, 1, F_SETOWN, t.host));
}

constexpr attack on_processes[] = {
  {"/proc/HOST/mem", reads_host_memory, violation, EACCES},
  {"/proc/SIBLING/mem", reads_sibling_memory, violation, EACCES},
  {"/proc/HOST/environ", reads_host_environment, violation, EACCES},
  {"process_vm_readv", copies_host_memory, violation, violation},
  {"process_vm_writev", overwrites_host_memory, violation, violation},
  {"ptrace host", traces_host, violation, violation},
  {"ptrace sibling", traces_sibling, violation, violation},
  {"kill host", kills_host, violation, EPERM},
  {"kill forkserver", kills_forkserver, violation, EPERM},
  {"kill sibling", kills_sibling, violation, EPERM},
  {"tkill sibling", tkills_sibling, violation, violation},
  {"tgkill sibling", tgkills_sibling, violation, EPERM},
  {"pidfd_open", opens_pidfd_of_sibling, violation, violation},
  {"pidfd_send_signal", signals_by_pidfds_that_it_has, violation, violation},
  {"pidfd_getfd", takes_descriptors, violation, violation},
  {"rt_sigqueueinfo", queues_signal, violation, EPERM},
  {"prlimit host", limits_host, violation, EPERM},
  {"sched_setaffinity host", moves_host_to_a_cpu, violation, EPERM},
  {"setpriority host", renices_host, violation, EPERM},
  {"kcmp", compares_with_host, violation, violation},
  {"process_madvise", advises_host_memory, violation, violation},
  {"F_SETOWN", owns_signals_of_a_descriptor, violation, EINVAL},
};

// Against files.

int reads_passwords(target) { return open_file("/etc/passwd", O_RDONLY); }
int lists_home(target) { return open_file("/root", O_RDONLY | O_DIRECTORY); }
int writes_a_file(target) { return open_file("/tmp/bulkhead-attack", O_WRONLY | O_CREAT); }
int writes_into_home(target) { return open_file("/root/.profile", O_WRONLY | O_APPEND); }
int writes_the_program(target) { return open_file("/proc/self/exe", O_WRONLY); }
int writes_a_library(target) { return open_file("/lib/x86_64-linux-gnu/libc.so.6", O_WRONLY); }
int writes_a_setting(target) { return open_file("/proc/sys/kernel/core_pattern", O_WRONLY); }
int opens_a_disk(target) { return open_file("/dev/vda", O_WRONLY | O_CREAT); }
int truncates(target) { return errno_of(call(SYS_truncate, "/etc/hosts", 0)); }
int chmods(target) { return errno_of(call(SYS_fchmodat, AT_FDCWD, "/tmp", 0777)); }
int removes(target) { return errno_of(call(SYS_unlinkat, AT_FDCWD, "/etc/hosts", 0)); }
int links(target) {
  return errno_of(call(SYS_linkat, AT_FDCWD, "/etc/passwd", AT_FDCWD, "/tmp/bulkhead-link", 0));
}
int opens_by_handle(target) { return errno_of(call(SYS_open_by_handle_at, AT_FDCWD, 0, O_RDONLY)); }
int makes_a_secret_setuid(target) { return errno_of(call(SYS_fchmod, 1, 04755)); }

constexpr attack on_files[] = {
  {"read /etc/passwd", reads_passwords, violation, 0},
  {"list the home folder", lists_home, violation, 0},
  {"write a file", writes_a_file, violation, EACCES},
  {"write into the home folder", writes_into_home, violation, EACCES},
  {"write the program", writes_the_program, violation, ETXTBSY},
  {"write a library", writes_a_library, violation, EACCES},
  {"write a setting of the kernel", writes_a_setting, violation, EACCES},
  {"open a disk", opens_a_disk, violation, EACCES},
  {"truncate", truncates, violation, EACCES},
  {"chmod", chmods, violation, EPERM},
  {"setuid bit", makes_a_secret_setuid, violation, EPERM},
  {"remove a file", removes, violation, EACCES},
  {"hard link", links, violation, EACCES},
  {"open_by_handle_at", opens_by_handle, violation, violation},
};

int listening(int family, const void* at, std::size_t bytes) {
  const int fd = ::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  REQUIRE(::bind(fd, static_cast<const sockaddr*>(at), static_cast<socklen_t>(bytes)) == 0);
  REQUIRE(::listen(fd, 8) == 0);
  return fd;
}

} // namespace

void make_calls_by(call_maker code) noexcept { own_code = code; }

long make_call(long number, long a, long b, long c, long d, long e, long f) noexcept {
  if (own_code != nullptr)
    return own_code(number, a, b, c, d, e, f);
  const long result = ::syscall(number, a, b, c, d, e, f);
  return result < 0 ? -errno : result;
}

std::span<const attack> attacks_on_processes() { return on_processes; }
std::span<const attack> attacks_on_files() { return on_files; }

const std::vector<attack>& attacks() {
  static const auto all = [] {
    std::vector<attack> made;
    for (const auto part :
         {attacks_on_processes(), attacks_on_files(), attacks_by_network(), attacks_on_kernel()})
      made.insert(made.end(), part.begin(), part.end());
    return made;
  }();
  return all;
}

std::size_t attack_named(std::string_view name) {
  for (std::size_t i = 0; i < attacks().size(); ++i)
    if (attacks()[i].name == name)
      return i;
  throw std::out_of_range("no attack " + std::string{name});
}

attack_sockets::attack_sockets() {
  sockaddr_in inet{};
  inet.sin_family = AF_INET;
  inet.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  tcp_ = listening(AF_INET, &inet, sizeof inet);
  socklen_t bytes = sizeof inet;
  REQUIRE(::getsockname(tcp_, reinterpret_cast<sockaddr*>(&inet), &bytes) == 0);
  port = ntohs(inet.sin_port);
  name = "bulkhead-attack-" + std::to_string(port);
  sockaddr_un local{};
  local.sun_family = AF_UNIX;
  std::memcpy(local.sun_path + 1, name.data(), name.size());
  abstract_ = listening(AF_UNIX, &local, offsetof(sockaddr_un, sun_path) + 1 + name.size());
  path = std::filesystem::temp_directory_path() / name;
  sockaddr_un named{};
  named.sun_family = AF_UNIX;
  std::memcpy(named.sun_path, path.data(), path.size());
  unix_ = listening(AF_UNIX, &named, sizeof named);
}

attack_sockets::~attack_sockets() {
  for (const int fd : {tcp_, abstract_, unix_})
    ::close(fd);
  std::filesystem::remove(path);
}

} // namespace bulkhead::tests
