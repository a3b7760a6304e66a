// failing_host: a host in which one call of a system call, or of operator new, fails. By
// environment variables: BULKHEAD_FAILING_CALL is its name, _TURN its number (1: the first), _WHERE
// is "host" or "children" (the forkserver and its workers; each counts for itself), _REPORT a file
// that is made when it has failed. Ends with 0 where all results are right, with 3 where the
// library reported an error, with 4 for a wrong result.
//
// The functions here take the place of libc's for this program and the libraries it loads.

#include <bulkhead/tasks.hpp>

#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace {

// Set before any other code runs, and inherited by the processes that are forked from here.
const char* failing_call = "";
long failing_turn = 0;
const char* report_file = nullptr;
bool in_children = false;
pid_t host = 0;
std::atomic<long> turns{0};

constexpr const char* host_variable = "BULKHEAD_FAILING_HOST"; // for programs that are exec'ed

[[gnu::constructor(101)]] void set_up() {
  const auto text = [](const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr ? "" : value;
  };
  failing_call = text("BULKHEAD_FAILING_CALL");
  failing_turn = std::atol(text("BULKHEAD_FAILING_TURN"));
  report_file = text("BULKHEAD_FAILING_REPORT");
  in_children = std::string_view{text("BULKHEAD_FAILING_WHERE")} == "children";
  if (const char* known = std::getenv(host_variable); known != nullptr) {
    host = static_cast<pid_t>(std::atol(known));
  } else {
    host = ::getpid();
    ::setenv(host_variable, std::to_string(host).c_str(), 1);
  }
}

void report() {
  const auto fd = static_cast<int>(
    ::syscall(SYS_openat, AT_FDCWD, report_file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  ::syscall(SYS_write, fd, "1", 1);
  ::syscall(SYS_close, fd);
}

bool fails_now(const char* call) {
  if (std::strcmp(call, failing_call) != 0 || (::getpid() == host) == in_children)
    return false;
  if (turns.fetch_add(1) + 1 != failing_turn)
    return false;
  report();
  return true;
}

template <class F>
F* real(const char* name) {
  return reinterpret_cast<F*>(::dlsym(RTLD_NEXT, name));
}

/// -1 with this errno when it is time, else what the real function returns.
template <class F, class... Args>
auto call(const char* name, int error, Args... args) {
  static F* const next = real<F>(name);
  if (!fails_now(name))
    return next(args...);
  errno = error;
  return static_cast<decltype(next(args...))>(-1);
}

} // namespace

extern "C" {

// Their headers say what throws and what does not; these never do.
int memfd_create(const char* name, unsigned flags) noexcept {
  return call<int(const char*, unsigned)>("memfd_create", EMFILE, name, flags);
}
int ftruncate(int fd, off_t size) noexcept {
  return call<int(int, off_t)>("ftruncate", ENOSPC, fd, size);
}
int posix_fallocate(int fd, off_t from, off_t size) {
  static auto* const next = real<int(int, off_t, off_t)>("posix_fallocate");
  return fails_now("posix_fallocate") ? ENOSPC : next(fd, from, size);
}
void* mmap(void* at, std::size_t size, int protection, int flags, int fd, off_t offset) noexcept {
  static auto* const next = real<void*(void*, std::size_t, int, int, int, off_t)>("mmap");
  if (!fails_now("mmap"))
    return next(at, size, protection, flags, fd, offset);
  errno = ENOMEM;
  return MAP_FAILED;
}
int madvise(void* at, std::size_t size, int advice) noexcept {
  return call<int(void*, std::size_t, int)>("madvise", ENOMEM, at, size, advice);
}
int eventfd(unsigned value, int flags) noexcept {
  return call<int(unsigned, int)>("eventfd", EMFILE, value, flags);
}
int socketpair(int domain, int type, int protocol, int* fds) noexcept {
  return call<int(int, int, int, int*)>("socketpair", EMFILE, domain, type, protocol, fds);
}
ssize_t sendmsg(int socket, const msghdr* message, int flags) {
  return call<ssize_t(int, const msghdr*, int)>("sendmsg", ENOBUFS, socket, message, flags);
}
ssize_t recvmsg(int socket, msghdr* message, int flags) {
  return call<ssize_t(int, msghdr*, int)>("recvmsg", ENOMEM, socket, message, flags);
}
int epoll_create1(int flags) noexcept { return call<int(int)>("epoll_create1", EMFILE, flags); }
int epoll_ctl(int epoll, int what, int fd, epoll_event* event) noexcept {
  static auto* const next = real<int(int, int, int, epoll_event*)>("epoll_ctl");
  if (what != EPOLL_CTL_ADD || !fails_now("epoll_ctl"))
    return next(epoll, what, fd, event);
  errno = ENOSPC;
  return -1;
}
int pipe2(int* fds, int flags) noexcept {
  return call<int(int*, int)>("pipe2", EMFILE, fds, flags);
}
int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*run)(void*),
                   void* with) noexcept {
  static auto* const next =
    real<int(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*)>("pthread_create");
  return fails_now("pthread_create") ? EAGAIN : next(thread, attributes, run, with);
}
int fcntl(int fd, int what, ...) {
  static auto* const next = real<int(int, int, ...)>("fcntl");
  va_list rest;
  va_start(rest, what);
  const auto value = va_arg(rest, long);
  va_end(rest);
  if ((what != F_DUPFD_CLOEXEC && what != F_ADD_SEALS) || !fails_now("fcntl"))
    return next(fd, what, value);
  errno = what == F_ADD_SEALS ? EPERM : EMFILE;
  return -1;
}
// pidfd_open, and the clone of the forkserver.
long syscall(long number, ...) noexcept {
  static auto* const next = real<long(long, ...)>("syscall");
  va_list rest;
  va_start(rest, number);
  long a[6];
  for (auto& each : a)
    each = va_arg(rest, long);
  va_end(rest);
  if ((number == SYS_pidfd_open && fails_now("pidfd_open"))
      || (number == SYS_clone && fails_now("clone"))) {
    errno = EMFILE;
    return -1;
  }
  return next(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
}

// The user's thread alone: docs/faults.md says what is promised elsewhere.
[[gnu::noinline]] void* operator new(std::size_t size) {
  if (::gettid() == ::getpid() && fails_now("new"))
    throw std::bad_alloc{};
  if (void* memory = std::malloc(size == 0 ? 1 : size); memory != nullptr)
    return memory;
  throw std::bad_alloc{};
}
[[gnu::noinline]] void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  if (::gettid() == ::getpid() && fails_now("new"))
    return nullptr;
  return std::malloc(size == 0 ? 1 : size);
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace {

using namespace bulkhead;

int wrong(const char* what) {
  std::fprintf(stderr, "failing_host: wrong: %s\n", what);
  return 4;
}

int check_map(pool& p) {
  std::vector<int> input(40);
  for (std::size_t i = 0; i < input.size(); ++i)
    input[i] = static_cast<int>(i);
  const auto squares = p.map([](int x) { return x * x; }, input, {.chunk = 3});
  for (std::size_t i = 0; i < squares.size(); ++i)
    if (squares[i] != static_cast<int>(i * i))
      return wrong("a square");
  return squares.size() == input.size() ? 0 : wrong("the number of squares");
}

int check_submits(pool& p) {
  const std::string large(200'000, 'x'); // travels in a segment of its own, comes back in pieces
  auto echo = p.submit([](std::string text) { return text + text; }, large);
  auto timed = p.with({.timeout = std::chrono::seconds{30}}).submit([] { return 7; });
  auto crash = p.submit([] { ::raise(SIGKILL); });
  auto behind = p.submit([](int x) { return x + 1; }, 1);
  int sum = 0;
  for (const int x : p.imap([](int y) { return y; }, std::vector{1, 2, 3}))
    sum += x;
  crash.wait();
  if (echo.get() != large + large || timed.get() != 7 || behind.get() != 2 || sum != 6)
    return wrong("a result");
  return crash.outcome().has_value() ? wrong("a killed worker's task") : 0;
}

int run() {
  pool p{{.workers = 2, .max_tasks_per_worker = 15, .ring_capacity = 65536}};
  if (const int status = check_map(p); status != 0)
    return status;
  if (const int status = check_submits(p); status != 0)
    return status;
  p.close();
  p.join();
  return 0;
}

} // namespace

int main(int argc, char** argv) {
  try {
    init(argc, argv);
    return run();
  } catch (const error& e) {
    std::fprintf(stderr, "failing_host: %s\n", e.what());
  } catch (const std::system_error& e) {
    std::fprintf(stderr, "failing_host: %s\n", e.what());
  } catch (const std::bad_alloc&) {
    std::fprintf(stderr, "failing_host: no memory\n");
  }
  return 3;
}
