// ctest-timeout: 180
#include "tests/support/leak_guard.hpp"
#include "tests/support/sanitizer_calls.hpp"

#include <bulkhead/error.hpp>
#include <bulkhead/pool.hpp>

#include <doctest/doctest.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace bulkhead;

namespace {

/// What the attacks aim at: all of it exists, and could be reached by a worker without a sandbox.
struct targets {
  int host = 0;
  int sibling = 0;
  int port = 0;              ///< a TCP socket listens
  std::string socket;        ///< the name of an abstract Unix socket that listens
  std::uint64_t address = 0; ///< in the host

  template <class Inspector>
  friend auto inspect(Inspector& f, targets& x) {
    return f(x.host, x.sibling, x.port, x.socket, x.address);
  }
};

/// 0: the attack reached its aim; else errno.
using attack = int (*)(const targets&);

int answer(long result) { return result < 0 ? errno : 0; }

int open_file(const std::string& path, int flags) {
  return answer(::syscall(SYS_openat, AT_FDCWD, path.c_str(), flags, 0600));
}

std::string proc(int pid, const char* file) { return "/proc/" + std::to_string(pid) + '/' + file; }

int writes_a_file(const targets&) { return open_file("/tmp/bulkhead-attack", O_WRONLY | O_CREAT); }
int writes_the_program(const targets&) { return open_file("/proc/self/exe", O_WRONLY); }
int chmods(const targets&) { return answer(::syscall(SYS_fchmodat, AT_FDCWD, "/tmp", 0777)); }
int removes(const targets&) { return answer(::syscall(SYS_unlinkat, AT_FDCWD, "/etc/hosts", 0)); }
int reads_host_memory(const targets& t) { return open_file(proc(t.host, "mem"), O_RDWR); }
int reads_sibling_memory(const targets& t) { return open_file(proc(t.sibling, "mem"), O_RDWR); }
int reads_host_environment(const targets& t) {
  return open_file(proc(t.host, "environ"), O_RDONLY);
}

int copies_host_memory(const targets& t) {
  std::uint64_t word = 0;
  iovec to{&word, sizeof word};
  iovec from{reinterpret_cast<void*>(t.address), sizeof word};
  return answer(::syscall(SYS_process_vm_readv, t.host, &to, 1, &from, 1, 0));
}
int traces_host(const targets& t) {
  return answer(::ptrace(PTRACE_SEIZE, t.host, nullptr, nullptr));
}
int traces_sibling(const targets& t) {
  return answer(::ptrace(PTRACE_SEIZE, t.sibling, nullptr, nullptr));
}
int kills_host(const targets& t) { return answer(::kill(t.host, 0)); }
int kills_forkserver(const targets&) { return answer(::kill(::getppid(), 0)); }
int kills_sibling(const targets& t) { return answer(::kill(t.sibling, SIGKILL)); }
int tgkills_sibling(const targets& t) {
  return answer(::syscall(SYS_tgkill, t.sibling, t.sibling, SIGKILL));
}
int opens_pidfd_of_sibling(const targets& t) {
  return answer(::syscall(SYS_pidfd_open, t.sibling, 0));
}
int queues_signal(const targets& t) {
  siginfo_t about{};
  about.si_code = SI_QUEUE;
  return answer(::syscall(SYS_rt_sigqueueinfo, t.sibling, SIGTERM, &about));
}
int limits_host(const targets& t) {
  rlimit none{0, RLIM_INFINITY};
  return answer(::syscall(SYS_prlimit64, t.host, RLIMIT_CORE, &none, nullptr));
}
int moves_host_to_a_cpu(const targets& t) {
  cpu_set_t all;
  CPU_ZERO(&all);
  CPU_SET(0, &all);
  return answer(::syscall(SYS_sched_setaffinity, t.host, sizeof all, &all));
}
int renices_host(const targets& t) {
  return answer(::syscall(SYS_setpriority, PRIO_PROCESS, t.host, 0));
}

int connects(int family, int kind, int protocol, const sockaddr* to, socklen_t bytes) {
  const int fd = ::socket(family, kind, protocol);
  return fd < 0 ? errno : answer(::connect(fd, to, bytes));
}
int connects_inet(const targets& t, int kind, int protocol) {
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<std::uint16_t>(t.port));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return connects(AF_INET, kind, protocol, reinterpret_cast<sockaddr*>(&to), sizeof to);
}
int connects_tcp(const targets& t) { return connects_inet(t, SOCK_STREAM, 0); }
int connects_udp(const targets& t) { return connects_inet(t, SOCK_DGRAM, 0); }
int connects_mptcp(const targets& t) { return connects_inet(t, SOCK_STREAM, 262); }
int connects_abstract(const targets& t) {
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  std::memcpy(to.sun_path + 1, t.socket.data(), t.socket.size());
  const auto bytes = offsetof(sockaddr_un, sun_path) + 1 + t.socket.size();
  return connects(AF_UNIX, SOCK_STREAM, 0, reinterpret_cast<sockaddr*>(&to),
                  static_cast<socklen_t>(bytes));
}
int sends_datagrams(const targets&) {
  int pair[2];
  return answer(::socketpair(AF_UNIX, SOCK_DGRAM, 0, pair));
}
int listens(const targets&) { return answer(::socket(AF_INET6, SOCK_STREAM, 0)); }
int listens_raw(const targets&) { return answer(::socket(AF_PACKET, SOCK_RAW, 0)); }

int executes(const targets&) {
  const char* const arguments[] = {"true", nullptr};
  return answer(::execve("/bin/true", const_cast<char**>(arguments), nullptr));
}
int forks(const targets&) {
  const auto child = ::syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
  if (child == 0)
    ::_exit(0);
  return answer(child);
}
int clones_by_structure(const targets&) {
  clone_args how{};
  how.exit_signal = SIGCHLD;
  const auto child = ::syscall(SYS_clone3, &how, sizeof how);
  if (child == 0)
    ::_exit(0);
  return answer(child);
}
int becomes_daemon(const targets&) { return answer(::setsid()); }
int mounts(const targets&) { return answer(::mount("none", "/tmp", "tmpfs", 0, nullptr)); }
int unshares(const targets&) { return answer(::unshare(CLONE_NEWUSER | CLONE_NEWNET)); }
int enters_namespace(const targets&) { return answer(::setns(0, 0)); }
int changes_root(const targets&) { return answer(::chroot("/tmp")); }
int faults_in_user_space(const targets&) { return answer(::syscall(SYS_userfaultfd, 0)); }
int rings_io(const targets&) {
  std::array<std::byte, 256> parameters{};
  return answer(::syscall(SYS_io_uring_setup, 4, parameters.data()));
}
int loads_bpf(const targets&) { return answer(::syscall(SYS_bpf, 0, nullptr, 0)); }
int measures(const targets&) {
  std::array<std::byte, 128> attributes{};
  return answer(::syscall(SYS_perf_event_open, attributes.data(), 0, -1, -1, 0));
}
int reads_keys(const targets&) { return answer(::syscall(SYS_keyctl, 0, -3, 0)); }
int changes_personality(const targets&) { return answer(::personality(ADDR_NO_RANDOMIZE)); }
int shares_memory(const targets&) { return answer(::shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600)); }
int steals_terminal_input(const targets&) { return answer(::syscall(SYS_ioctl, 1, 0x5412, "x")); }
int owns_signals_of_a_descriptor(const targets& t) {
  return answer(::syscall(SYS_fcntl, 1, F_SETOWN, t.host));
}
int becomes_root(const targets&) { return answer(::setuid(0)); }
int traps_violations(const targets&) {
  struct sigaction mine {};
  mine.sa_handler = SIG_IGN;
  return answer(::sigaction(SIGSYS, &mine, nullptr));
}
int opens_by_handle(const targets&) {
  return answer(::syscall(SYS_open_by_handle_at, AT_FDCWD, nullptr, O_RDONLY));
}
int loads_a_filter(const targets&) { return answer(::syscall(SYS_seccomp, 1, 0, nullptr)); }
#ifdef __x86_64__
int calls_as_32_bit(const targets&) {
  int result = 0;
  asm volatile("int $0x80" : "=a"(result) : "a"(20) : "memory"); // getpid
  return result < 0 ? -result : 0;
}
int calls_as_x32(const targets&) { return answer(::syscall(0x40000000 | SYS_getpid)); }
#endif

constexpr int violation = -1;

struct expectation {
  const char* name;
  attack run;
  int strict;
  int standard;
};

constexpr expectation attacks[] = {
  {"write a file", writes_a_file, violation, EACCES},
  {"write the program", writes_the_program, violation, ETXTBSY},
  {"chmod", chmods, violation, EPERM},
  {"remove a file", removes, violation, EACCES},
  {"/proc/HOST/mem", reads_host_memory, violation, EACCES},
  {"/proc/SIBLING/mem", reads_sibling_memory, violation, EACCES},
  {"/proc/HOST/environ", reads_host_environment, violation, EACCES},
  {"process_vm_readv", copies_host_memory, violation, violation},
  {"ptrace host", traces_host, violation, violation},
  {"ptrace sibling", traces_sibling, violation, violation},
  {"kill host", kills_host, violation, EPERM},
  {"kill forkserver", kills_forkserver, violation, EPERM},
  {"kill sibling", kills_sibling, violation, EPERM},
  {"tgkill sibling", tgkills_sibling, violation, EPERM},
  {"pidfd_open", opens_pidfd_of_sibling, violation, violation},
  {"rt_sigqueueinfo", queues_signal, violation, EPERM},
  {"prlimit host", limits_host, violation, EPERM},
  {"sched_setaffinity host", moves_host_to_a_cpu, violation, EPERM},
  {"setpriority host", renices_host, violation, EPERM},
  {"connect TCP", connects_tcp, violation, violation},
  {"connect UDP", connects_udp, violation, violation},
  {"connect MPTCP", connects_mptcp, violation, violation},
  {"connect abstract", connects_abstract, violation, EACCES},
  {"send datagrams", sends_datagrams, violation, violation},
  {"listen", listens, violation, violation},
  {"raw socket", listens_raw, violation, violation},
  {"exec", executes, violation, violation},
  {"fork", forks, violation, violation},
  {"clone3", clones_by_structure, ENOSYS, ENOSYS},
  {"setsid", becomes_daemon, violation, violation},
  {"mount", mounts, violation, violation},
  {"unshare", unshares, violation, violation},
  {"setns", enters_namespace, violation, violation},
  {"chroot", changes_root, violation, violation},
  {"userfaultfd", faults_in_user_space, violation, violation},
  {"io_uring", rings_io, violation, violation},
  {"bpf", loads_bpf, violation, violation},
  {"perf_event_open", measures, violation, violation},
  {"keyctl", reads_keys, violation, violation},
  {"personality", changes_personality, violation, violation},
  {"shmget", shares_memory, violation, violation},
  {"TIOCSTI", steals_terminal_input, ENOTTY, ENOTTY},
  {"F_SETOWN", owns_signals_of_a_descriptor, violation, EINVAL},
  {"setuid", becomes_root, violation, violation},
  {"handler of SIGSYS", traps_violations, violation, violation},
  {"open_by_handle_at", opens_by_handle, violation, violation},
  {"a filter of its own", loads_a_filter, violation, violation},
#ifdef __x86_64__
  {"32-bit call", calls_as_32_bit, violation, violation},
  {"x32 call", calls_as_x32, violation, violation},
#endif
};

int run_attack(std::size_t which, targets at) { return attacks[which].run(at); }

int no_work() { return 7; }

/// The errno that the attack met, 0: none, `violation`: it ended its worker as such.
int outcome_of(pool& p, std::size_t which, const targets& at) {
  try {
    return p.submit(run_attack, which, at).get();
  } catch (const error& e) {
    INFO(to_string(e.info()));
    CHECK(e.info().kind == failure_kind::worker_died);
    CHECK(e.info().exit.cause == exit_cause::policy_violation);
    return violation;
  }
}

pool_options under(sandbox_policy policy) {
  pool_options options;
  options.workers = 1;
  options.sandbox = tests::with_sanitizer_calls(std::move(policy));
  return options;
}

/// Two sockets that listen, for as long as it lives.
class listeners {
public:
  listeners() {
    sockaddr_in inet{};
    inet.sin_family = AF_INET;
    inet.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    tcp_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(::bind(tcp_, reinterpret_cast<sockaddr*>(&inet), sizeof inet) == 0);
    REQUIRE(::listen(tcp_, 8) == 0);
    socklen_t bytes = sizeof inet;
    REQUIRE(::getsockname(tcp_, reinterpret_cast<sockaddr*>(&inet), &bytes) == 0);
    port = ntohs(inet.sin_port);
    sockaddr_un local{};
    local.sun_family = AF_UNIX;
    name = "bulkhead-attack-" + std::to_string(port);
    std::memcpy(local.sun_path + 1, name.data(), name.size());
    unix_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const auto size = offsetof(sockaddr_un, sun_path) + 1 + name.size();
    REQUIRE(::bind(unix_, reinterpret_cast<sockaddr*>(&local), static_cast<socklen_t>(size)) == 0);
    REQUIRE(::listen(unix_, 8) == 0);
  }
  ~listeners() {
    ::close(tcp_);
    ::close(unix_);
  }
  listeners(const listeners&) = delete;
  listeners& operator=(const listeners&) = delete;

  int port = 0;
  std::string name;

private:
  int tcp_ = -1;
  int unix_ = -1;
};

void attack_all(sandbox_profile profile, int expectation::*expected) {
  const listeners open;
  pool bystander{{.workers = 1}};
  pool hostile{under({.base = profile, .require = true})};
  CHECK(bystander.submit(no_work).get() == 7);
  const std::uint64_t word = 42;
  const targets at{::getpid(), static_cast<int>(bystander.workers().at(0).pid), open.port,
                   open.name, reinterpret_cast<std::uintptr_t>(&word)};
  for (std::size_t i = 0; i < std::size(attacks); ++i) {
    INFO(attacks[i].name);
    CHECK(outcome_of(hostile, i, at) == attacks[i].*expected);
  }
  CHECK(bystander.submit(no_work).get() == 7);
  CHECK(bystander.workers().at(0).pid == at.sibling);
  CHECK(bystander.stats().restarts == 0);
  CHECK(hostile.submit(no_work).get() == 7);
}

} // namespace

TEST_CASE("under strict every attack is a violation, and nobody else notices") {
  tests::leak_guard guard;
  attack_all(sandbox_profile::strict, &expectation::strict);
}

TEST_CASE("under standard every attack fails, and nobody else notices") {
  tests::leak_guard guard;
  attack_all(sandbox_profile::standard, &expectation::standard);
}

TEST_CASE("without a sandbox the same attacks reach their aims: the suite can fail") {
  tests::leak_guard guard;
  const listeners open;
  pool plain{{.workers = 1}};
  const std::uint64_t word = 42;
  const targets at{::getpid(), ::getpid(), open.port, open.name,
                   reinterpret_cast<std::uintptr_t>(&word)};
  for (const std::string_view name :
       {"kill host", "connect TCP", "connect UDP", "connect abstract", "fork", "process_vm_readv",
        "/proc/HOST/environ", "handler of SIGSYS", "prlimit host"})
    for (std::size_t i = 0; i < std::size(attacks); ++i)
      if (attacks[i].name == name) {
        INFO(name);
        CHECK(plain.submit(run_attack, i, at).get() == 0);
      }
}

TEST_CASE("only the ports that a policy names can be reached") {
  tests::leak_guard guard;
  const listeners open;
  const listeners other;
  targets at;
  at.port = open.port;
  targets beside = at;
  beside.port = other.port;
  constexpr auto tcp = [] {
    for (std::size_t i = 0; i < std::size(attacks); ++i)
      if (attacks[i].name == std::string_view{"connect TCP"})
        return i;
    return std::size(attacks);
  }();
  for (const auto profile : {sandbox_profile::strict, sandbox_profile::standard}) {
    pool p{under(
      {.base = profile, .connect = {static_cast<std::uint16_t>(open.port)}, .require = true})};
    CHECK(outcome_of(p, tcp, at) == 0);
    CHECK(outcome_of(p, tcp, beside) == EACCES);
    CHECK(outcome_of(p, tcp + 1, at) == violation); // UDP
    CHECK(outcome_of(p, tcp + 2, at) == violation); // MPTCP
  }
}

#ifdef __x86_64__

namespace {

/// A function `long call(long number, long, long, long, long, long)` in machine code.
constexpr unsigned char raw_call[] = {0x48, 0x89, 0xf8, 0x48, 0x89, 0xf7, 0x48,
                                      0x89, 0xd6, 0x48, 0x89, 0xca, 0x4d, 0x89,
                                      0xc2, 0x4d, 0x89, 0xc8, 0x0f, 0x05, 0xc3};

/// The exploit: bytes of the input become code, which makes the system call that the input wants.
long jumps_into_input(std::vector<unsigned char> code, std::vector<long> call) {
  const auto bytes = code.size();
  void* at = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED)
    return -errno;
  std::memcpy(at, code.data(), bytes);
  if (::mprotect(at, bytes, PROT_READ | PROT_EXEC) != 0)
    return -errno;
  const auto run = reinterpret_cast<long (*)(long, long, long, long, long, long)>(at);
  return run(call[0], call[1], call[2], call[3], call[4], 0);
}

} // namespace

TEST_CASE("code of the attacker's own choice cannot be made under strict") {
  tests::leak_guard guard;
  pool p{under({.base = sandbox_profile::strict})};
  const std::vector<unsigned char> code(std::begin(raw_call), std::end(raw_call));
  try {
    p.submit(jumps_into_input, code, std::vector<long>{SYS_getpid, 0, 0, 0, 0}).get();
    FAIL("it ran");
  } catch (const worker_died& e) {
    CHECK(e.info().exit.cause == exit_cause::policy_violation);
    CHECK(e.info().message.find("mprotect(") != std::string::npos);
    CHECK(e.info().message.find("sandbox.executable_memory") != std::string::npos);
  }
}

TEST_CASE("code of the attacker's own choice can do no more than the task, where it may be made") {
  tests::leak_guard guard;
  pool p{under({.base = sandbox_profile::strict, .executable_memory = true})};
  const std::vector<unsigned char> code(std::begin(raw_call), std::end(raw_call));
  const auto call = [&](long number, long first, long second) {
    try {
      return p.submit(jumps_into_input, code, std::vector<long>{number, first, second, 0, 0}).get();
    } catch (const worker_died& e) {
      CHECK(e.info().exit.cause == exit_cause::policy_violation);
      return long{violation};
    }
  };
  CHECK(call(SYS_getpid, 0, 0) > 0);
  for (const long number : {SYS_execve, SYS_openat, SYS_socket, SYS_ptrace, SYS_fork, SYS_vfork,
                            SYS_clone, SYS_memfd_create, SYS_prctl, SYS_sendmsg, SYS_dup2,
                            SYS_shutdown, SYS_unlink, SYS_setuid, SYS_process_vm_writev})
    CHECK_MESSAGE(call(number, 0, 0) == violation, "system call ", number);
  CHECK(call(SYS_tgkill, ::getpid(), ::getpid()) == violation);
  CHECK(call(SYS_kill, ::getpid(), 0) == violation);
  CHECK(p.submit(no_work).get() == 7);
}

#endif

TEST_CASE(
  "all threads of a sandboxed worker are under all of its filters, and without capabilities") {
  tests::leak_guard guard;
  pool p{under({.base = sandbox_profile::strict})};
  CHECK(p.submit(no_work).get() == 7);
  const auto tasks = "/proc/" + std::to_string(p.workers().at(0).pid) + "/task";
  int threads = 0;
  for (const auto& thread : std::filesystem::directory_iterator{tasks}) {
    ++threads;
    std::ifstream status{thread.path() / "status"};
    const std::string text{std::istreambuf_iterator<char>{status}, {}};
    for (const std::string line : {"NoNewPrivs:\t1\n", "Seccomp:\t2\n", "Seccomp_filters:\t2\n",
                                   "CapEff:\t0000000000000000\n", "CapPrm:\t0000000000000000\n"})
      CHECK_MESSAGE(text.find(line) != std::string::npos, line, text);
  }
  CHECK(threads == 2); // the task's, and the library's own
}
