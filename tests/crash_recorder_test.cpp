#include "runtime/crash/crash_recorder.hpp"

#include "runtime/code/code_place.hpp"
#include "runtime/crash/crash_report.hpp"
#include "runtime/process/worker_setup.hpp"

#include <doctest/doctest.h>

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>

using namespace bulkhead::runtime;

// Functions that the tests look for keep their names and frames, and crash where a sanitizer would
// report instead.
#define UNCHECKED gnu::no_sanitize("undefined"), gnu::no_sanitize_address
#define OWN_FRAME                                                                                  \
  [[gnu::noinline, gnu::noclone, gnu::optimize("no-optimize-sibling-calls"), UNCHECKED]]

namespace {

volatile int sink;
volatile int last_depth = -1; // never
volatile int zero = 0;
int* volatile nowhere = nullptr;

OWN_FRAME static void write_through_null() {
  *nowhere = 1;
  sink = 1;
}

OWN_FRAME void call_from_static_function() {
  write_through_null();
  sink = 2;
}

[[gnu::always_inline, UNCHECKED]] inline void write_inlined() { *nowhere = 3; }

OWN_FRAME void caller_of_inlined() {
  write_inlined();
  sink = 3;
}

OWN_FRAME void call_abort() { std::abort(); }

OWN_FRAME void throw_text() { throw std::runtime_error("thrown \x01 across noexcept"); }

OWN_FRAME void throw_out_of_noexcept() noexcept {
  throw_text();
  sink = 6;
}

OWN_FRAME void terminate_without_exception() { std::terminate(); }

OWN_FRAME int recurse(int depth) {
  std::array<volatile char, 256> frame{};
  frame[static_cast<std::size_t>(depth) % frame.size()] = 1;
  if (depth == last_depth)
    return 0;
  return recurse(depth + 1) + frame[static_cast<std::size_t>(depth + 1) % frame.size()];
}

OWN_FRAME void take_huge_frame(std::size_t bytes) {
  auto* frame = static_cast<volatile char*>(__builtin_alloca(bytes));
  frame[bytes / 2] = 1;
  sink = frame[bytes / 2];
}

OWN_FRAME void divide_by(int divisor) {
#if defined(__x86_64__)
  sink = last_depth / divisor;
#else
  ::raise(SIGFPE);
#endif
}

OWN_FRAME void run_undefined_instruction() { __builtin_trap(); }

OWN_FRAME void call_through_null() {
  void (*volatile function)() = nullptr;
  function();
  sink = 4;
}

OWN_FRAME void call_through_garbage() {
  auto* const volatile function = reinterpret_cast<void (*)()>(0x123456789000);
  function();
  sink = 5;
}

OWN_FRAME void smash_frame() {
  // The return address and saved registers of this frame and its callers become garbage.
  auto* frame = static_cast<volatile std::uintptr_t*>(__builtin_frame_address(0));
  for (int i = 0; i < 64; ++i)
    frame[i] = 0x4141414141414141;
}

struct hostile_text : std::exception {
  const char* what() const noexcept override {
    write_through_null();
    return "";
  }
};

OWN_FRAME void throw_hostile_text() { throw hostile_text{}; }

OWN_FRAME void throw_hostile() noexcept {
  throw_hostile_text();
  sink = 7;
}

/// A worker's recorder that outlives it.
class shared_recorder {
public:
  shared_recorder()
    : memory_(::mmap(nullptr, sizeof(flight_recorder), PROT_READ | PROT_WRITE,
                     MAP_SHARED | MAP_ANONYMOUS, -1, 0)) {
    REQUIRE(memory_ != MAP_FAILED);
  }
  ~shared_recorder() { ::munmap(memory_, sizeof(flight_recorder)); }
  shared_recorder(const shared_recorder&) = delete;
  shared_recorder& operator=(const shared_recorder&) = delete;

  flight_recorder& operator*() const { return *static_cast<flight_recorder*>(memory_); }

private:
  void* memory_;
};

struct death {
  int status = 0;
  crash_report report;

  int signal() const { return WIFSIGNALED(status) ? WTERMSIG(status) : 0; }
  bool names(std::string_view function) const {
    return report.backtrace.find(function) != std::string::npos;
  }
  bool says(std::string_view text) const { return report.log.find(text) != std::string::npos; }
};

void quiet_stderr() {
  const int null = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
  ::dup2(null, 2);
}

template <class Crash>
death die_by(Crash crash) {
  const shared_recorder recorder;
  const pid_t child = ::fork();
  if (child == 0) {
    reset_signals(); // as a worker does
    const rlimit none{0, 0};
    ::setrlimit(RLIMIT_CORE, &none);
    quiet_stderr();
    ::alarm(30);
    install_crash_recorder(*recorder);
    crash();
    ::_exit(0);
  }
  death seen;
  REQUIRE(::waitpid(child, &seen.status, 0) == child);
  seen.report = read_crash(*recorder);
  INFO(seen.report.backtrace);
  INFO(seen.report.log);
  CHECK(seen.signal() == seen.report.signal);
  return seen;
}

int open_descriptors() {
  return static_cast<int>(std::distance(std::filesystem::directory_iterator{"/proc/self/fd"}, {}));
}

} // namespace

TEST_CASE("a crash names the function, its callers and their lines, static ones too") {
  const auto seen = die_by(&call_from_static_function);
  INFO(seen.report.backtrace);
  CHECK(seen.signal() == SIGSEGV);
  CHECK(seen.report.backtrace.starts_with("#0  0x"));
  CHECK(seen.report.backtrace.find("write_through_null()") < seen.report.backtrace.find('\n'));
  CHECK(seen.names("call_from_static_function() at "));
  CHECK(seen.names("crash_recorder_test.cpp:"));
  CHECK(seen.names(" in crash_recorder_test+0x"));
  CHECK_FALSE(seen.names("on_crash"));
  CHECK_FALSE(seen.report.stack_overflow);
  CHECK(seen.says("SIGSEGV at address 0x0\n"));
}

TEST_CASE("an inlined function is named together with the one that it is part of") {
  const auto seen = die_by(&caller_of_inlined);
  INFO(seen.report.backtrace);
  CHECK(seen.names("write_inlined at "));
  CHECK(seen.names(", inlined in\n"));
  CHECK(seen.names("caller_of_inlined()"));
}

TEST_CASE("abort is SIGABRT and names its caller") {
  const auto seen = die_by(&call_abort);
  CHECK(seen.signal() == SIGABRT);
  CHECK(seen.names("call_abort()"));
}

TEST_CASE("an exception out of a noexcept function leaves its type and text") {
  const auto seen = die_by(&throw_out_of_noexcept);
  INFO(seen.report.backtrace);
  CHECK(seen.signal() == SIGABRT);
  CHECK(seen.names("throw_out_of_noexcept()"));
  CHECK(seen.says("std::terminate with std::runtime_error: thrown ? across noexcept\n"));
}

TEST_CASE("an exception that leaves a thread leaves its type and text") {
  const auto seen =
    die_by([] { std::thread{[] { throw std::logic_error("nobody catches this"); }}.join(); });
  CHECK(seen.signal() == SIGABRT);
  CHECK(seen.says("std::terminate with std::logic_error: nobody catches this\n"));
}

TEST_CASE("std::terminate without an exception says so") {
  const auto seen = die_by(&terminate_without_exception);
  CHECK(seen.signal() == SIGABRT);
  CHECK(seen.names("terminate_without_exception()"));
  CHECK(seen.says("std::terminate without an exception\n"));
}

TEST_CASE("an exception whose text crashes ends as that crash") {
  const auto seen = die_by(&throw_hostile);
  CHECK(seen.signal() == SIGSEGV);
  CHECK(seen.names("write_through_null()"));
}

TEST_CASE("deep recursion is a stack overflow and shows the recursion") {
  const auto seen = die_by([] { sink = recurse(0); });
  INFO(seen.report.backtrace);
  CHECK(seen.signal() == SIGSEGV);
  CHECK(seen.report.stack_overflow);
  CHECK(seen.says(": stack overflow\n"));
  CHECK(seen.names("recurse(int)"));
  CHECK(seen.names("times more\n"));
}

TEST_CASE("a frame larger than the guard is a stack overflow") {
  const auto seen = die_by([] {
    rlimit limit{};
    ::getrlimit(RLIMIT_STACK, &limit);
    const std::size_t stack = limit.rlim_cur == RLIM_INFINITY ? 0 : limit.rlim_cur;
    if (stack == 0)
      sink = recurse(0);
    take_huge_frame(2 * stack);
  });
  INFO(seen.report.log);
  CHECK(seen.signal() == SIGSEGV);
  CHECK(seen.report.stack_overflow);
}

TEST_CASE("integer division by zero is SIGFPE") {
  const auto seen = die_by([] { divide_by(zero); });
  CHECK(seen.signal() == SIGFPE);
  CHECK(seen.names("divide_by(int)"));
}

TEST_CASE("an undefined instruction is SIGILL") {
  const auto seen = die_by(&run_undefined_instruction);
  CHECK(seen.signal() == SIGILL);
  CHECK(seen.names("run_undefined_instruction()"));
}

TEST_CASE("a call through a bad pointer names the caller") {
  const auto null = die_by(&call_through_null);
  INFO(null.report.backtrace);
  CHECK(null.signal() == SIGSEGV);
  CHECK(null.names("call_through_null()"));
  const auto garbage = die_by(&call_through_garbage);
  CHECK(garbage.names("call_through_garbage()"));
}

TEST_CASE("a smashed stack still ends as the signal that it is") {
  const auto seen = die_by([] { smash_frame(); });
  CHECK(seen.signal() == SIGSEGV);
  CHECK_FALSE(seen.report.backtrace.empty());
}

TEST_CASE("other crash signals keep their number") {
  for (const int signal : {SIGBUS, SIGSYS, SIGTRAP}) {
    CAPTURE(signal);
    const auto seen = die_by([signal] { ::raise(signal); });
    CHECK(seen.signal() == signal);
    CHECK(seen.says("raised by the process itself"));
  }
}

TEST_CASE("threads that crash together leave one record and one signal") {
  const auto seen = die_by([] {
    std::array<std::thread, 4> threads;
    for (auto& thread : threads)
      thread = std::thread{&call_from_static_function};
    for (auto& thread : threads)
      thread.join();
  });
  CHECK(seen.signal() == SIGSEGV);
  CHECK(seen.names("write_through_null()"));
}

TEST_CASE("a crash on another thread's small stack is recorded") {
  const auto seen = die_by([] { std::thread{[] { write_through_null(); }}.join(); });
  CHECK(seen.signal() == SIGSEGV);
  CHECK(seen.names("write_through_null()"));
}

TEST_CASE("a child that a task forks does not write into its parent's record") {
  const auto seen = die_by([] {
    const pid_t grandchild = ::fork();
    if (grandchild == 0)
      call_abort();
    int status = 0;
    ::waitpid(grandchild, &status, 0);
    ::_exit(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT ? 0 : 1);
  });
  CHECK(seen.status == 0);
  CHECK(seen.report.signal == 0);
  CHECK(seen.report.backtrace.empty());
}

TEST_CASE("a crash in a library that was loaded later is named") {
  constexpr auto path = BULKHEAD_TEST_MODULE_DIR "/crashing.so";
  const auto crash = [path] {
    auto* library = ::dlopen(path, RTLD_NOW | RTLD_LOCAL);
    reinterpret_cast<void (*)()>(::dlsym(library, "crash_in_library"))();
  };
  CHECK(die_by(crash).names("in a module that the host has not loaded"));
  auto* library = ::dlopen(path, RTLD_NOW | RTLD_LOCAL);
  REQUIRE(library != nullptr);
  const auto seen = die_by(crash);
  ::dlclose(library);
  INFO(seen.report.backtrace);
  CHECK(seen.names("crash_inside()"));
  CHECK(seen.names("crash_in_library"));
  CHECK(seen.names(" in crashing.so+0x"));
}

TEST_CASE("an earlier handler runs after the recording") {
  const shared_recorder recorder;
  const pid_t child = ::fork();
  if (child == 0) {
    reset_signals();
    ::signal(SIGFPE, [](int) { ::_exit(42); });
    install_crash_recorder(*recorder);
    ::raise(SIGFPE);
    ::_exit(0);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 42);
  CHECK(read_crash(*recorder).signal == SIGFPE);
}

TEST_CASE("the log keeps its last lines whole") {
  const auto recorder = std::make_unique<flight_recorder>();
  for (int i = 0; i < 1000; ++i)
    record_log_line(*recorder, "line " + std::to_string(i));
  const auto log = read_crash(*recorder).log;
  CHECK(log.size() <= log_bytes);
  CHECK(log.size() > log_bytes - 20);
  CHECK(log.starts_with("line "));
  CHECK(log.ends_with("line 998\nline 999\n"));
  record_log_line(*recorder, std::string(5000, 'x'));
  CHECK(read_crash(*recorder).log == std::string(log_bytes - 1, 'x') + '\n');
}

TEST_CASE("a record full of garbage is read within bounds") {
  const auto recorder = std::make_unique<flight_recorder>();
  for (const int byte : {0xff, 0x01, 0x41, 0x7f, 0x80}) {
    std::memset(static_cast<void*>(recorder.get()), byte, sizeof *recorder);
    auto report = read_crash(*recorder);
    CHECK(report.signal == 0);
    CHECK(report.backtrace.empty());
    CHECK(report.log.size() == log_bytes);
    CHECK(report.log.find('\xff') == std::string::npos);
    recorder->signal.store(SIGSEGV);
    report = read_crash(*recorder);
    CHECK(report.backtrace.find("the host has not loaded") != std::string::npos);
    CHECK_FALSE(report.call);
    recorder->signal.store(SIGSYS);
    report = read_crash(*recorder);
    REQUIRE(report.call);
    CHECK(report.call->number == -1);
    CHECK(report.call->target.size() <= 4 * call_place_bytes);
  }
}

TEST_CASE("offsets outside of a module are harmless") {
  const auto recorder = std::make_unique<flight_recorder>();
  recorder->signal.store(SIGSEGV);
  recorder->frame_count.store(4);
  const auto own = place_of_code(reinterpret_cast<std::uintptr_t>(&call_abort));
  REQUIRE(own.module != 0);
  const std::array<std::uint64_t, 4> offsets{0, ~std::uint64_t{0}, std::uint64_t{1} << 63,
                                             0x7fffffff};
  for (std::size_t i = 0; i < offsets.size(); ++i) {
    recorder->modules[i] = own.module;
    recorder->offsets[i] = offsets[i];
  }
  CHECK(read_crash(*recorder).backtrace.find("#3 ") != std::string::npos);
}

TEST_CASE("reading a crash leaves no descriptor open") {
  static_cast<void>(die_by(&call_abort));
  const int before = open_descriptors();
  static_cast<void>(die_by(&call_from_static_function));
  static_cast<void>(die_by(&call_through_null));
  CHECK(open_descriptors() == before);
}
