#include "runtime/crash/crash_recorder.hpp"

#include "runtime/crash/crash_walk.hpp"
#include "runtime/crash/forbidden_call.hpp"
#include "runtime/crash/machine_context.hpp"
#include "runtime/crash/stack_bounds.hpp"
#include "runtime/crash/terminate_record.hpp"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <charconv>
#include <csignal>
#include <cstring>
#include <ctime>
#include <string_view>

// Handlers of signals that end a worker. They write into shared memory, which the host reads after
// the death, and call nothing that is not async-signal-safe (man 7 signal-safety); whatever they
// need is made at install.
namespace bulkhead::runtime {

namespace {

struct crash_signal {
  int number;
  std::string_view name;
};

constexpr std::array crash_signals{
  crash_signal{SIGSEGV, "SIGSEGV"}, crash_signal{SIGBUS, "SIGBUS"},
  crash_signal{SIGFPE, "SIGFPE"},   crash_signal{SIGILL, "SIGILL"},
  crash_signal{SIGABRT, "SIGABRT"}, crash_signal{SIGSYS, "SIGSYS"},
  crash_signal{SIGTRAP, "SIGTRAP"},
};

// Written at install, read by the handler.
constinit flight_recorder* recorder = nullptr;
constinit pid_t process = 0;
constinit std::array<struct sigaction, crash_signals.size()> previous{};
// The thread whose crash is recorded, and its signal.
constinit std::atomic<pid_t> crashing{0};
constinit std::atomic<int> first_signal{0};

std::size_t index_of(int signal) noexcept {
  std::size_t i = 0;
  while (i + 1 < crash_signals.size() && crash_signals[i].number != signal)
    ++i;
  return i;
}

[[noreturn]] void die_of(int signal) noexcept {
  struct sigaction plain {};
  plain.sa_handler = SIG_DFL;
  ::sigaction(signal, &plain, nullptr);
  sigset_t only;
  sigemptyset(&only);
  sigaddset(&only, signal);
  pthread_sigmask(SIG_UNBLOCK, &only, nullptr);
  ::raise(signal);
  ::_exit(128 + signal); // the first process of a pid namespace has no default actions
}

/// Text in place; what does not fit is left out.
class short_text {
public:
  void add(std::string_view text) noexcept {
    text = text.substr(0, text_.size() - used_);
    std::memcpy(text_.data() + used_, text.data(), text.size());
    used_ += text.size();
  }
  void add_hex(std::uint64_t number) noexcept {
    add("0x");
    const auto end =
      std::to_chars(text_.data() + used_, text_.data() + text_.size(), number, 16).ptr;
    used_ = static_cast<std::size_t>(end - text_.data());
  }
  std::string_view view() const noexcept { return {text_.data(), used_}; }

private:
  std::array<char, 128> text_{};
  std::size_t used_ = 0;
};

void log_crash(int signal, const siginfo_t& about, const machine_context& at) noexcept {
  short_text line;
  line.add(crash_signals[index_of(signal)].name);
  if (about.si_code <= 0) { // sent by a process, abort() among them
    line.add(about.si_pid == process ? " raised by the process itself"
                                     : " sent by another process");
  } else {
    line.add(" at address ");
    line.add_hex(reinterpret_cast<std::uintptr_t>(about.si_addr));
    if (signal == SIGSEGV
        && is_stack_overflow(reinterpret_cast<std::uintptr_t>(about.si_addr), at.sp()))
      line.add(": stack overflow");
  }
  record_log_line(*recorder, line.view());
}

void record(int signal, const siginfo_t& about, void* context) noexcept {
  const machine_context at{context};
  // Relaxed: one thread writes; the host reads after the death or takes what it finds.
  recorder->signal.store(static_cast<std::uint32_t>(signal), std::memory_order_relaxed);
  const auto fault = about.si_code > 0 ? reinterpret_cast<std::uintptr_t>(about.si_addr) : 0;
  recorder->fault_address.store(fault, std::memory_order_relaxed);
  if (is_forbidden_call(signal, about))
    record_forbidden_call(about, at, *recorder);
  else
    log_crash(signal, about, at);
  walk_crash(at, *recorder);
}

void call_previous(int signal, siginfo_t* about, void* context) noexcept {
  const auto& before = previous[index_of(signal)];
  if ((before.sa_flags & SA_SIGINFO) != 0)
    before.sa_sigaction(signal, about, context);
  else if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN)
    before.sa_handler(signal);
}

// Async-signal-safe calls only, here and in all that it calls. AddressSanitizer would add one that
// is not, before each call that does not return: it opens /proc/self/maps, under a lock.
__attribute__((no_sanitize("address"))) void on_crash(int signal, siginfo_t* about, void* context) {
  if (::getpid() != process)
    die_of(signal);
  const auto self = ::gettid();
  pid_t nobody = 0;
  // Relaxed: nothing is passed on but the values themselves.
  if (!crashing.compare_exchange_strong(nobody, self, std::memory_order_relaxed)) {
    if (nobody == self) // the recording itself crashed
      die_of(first_signal.load(std::memory_order_relaxed));
    const timespec enough{.tv_sec = 2, .tv_nsec = 0};
    ::nanosleep(&enough, nullptr); // the other thread ends the process meanwhile
    die_of(signal);
  }
  first_signal.store(signal, std::memory_order_relaxed);
  record(signal, *about, context);
  // After the record: a handler of the program's own may not return.
  call_previous(signal, about, context);
  die_of(signal);
}

// The task that the host waits for runs in the main thread: another one's stack would mislead.
__attribute__((no_sanitize("address"))) void on_last_words(int signal, siginfo_t*, void* context) {
  if (::getpid() != process)
    die_of(signal);
  const auto self = ::gettid();
  if (self != process) { // it is blocked there: it stays pending
    ::syscall(SYS_tgkill, process, process, signal);
    return;
  }
  pid_t nobody = 0;
  // Relaxed: nothing is passed on but the values themselves.
  if (!crashing.compare_exchange_strong(nobody, self, std::memory_order_relaxed))
    return;                                               // it crashes meanwhile, which says more
  first_signal.store(SIGKILL, std::memory_order_relaxed); // should the walk itself crash
  recorder->signal.store(static_cast<std::uint32_t>(signal), std::memory_order_relaxed);
  walk_crash(machine_context{context}, *recorder);
  die_of(SIGKILL);
}

/// A guard page below, so that the handler's own overflow corrupts nothing. For ever.
void use_signal_stack() noexcept {
  constexpr std::size_t guard = 4096;
  constexpr std::size_t size = 128 * 1024;
  void* memory = ::mmap(nullptr, guard + size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED)
    return; // only stack overflows go unrecorded
  ::mprotect(memory, guard, PROT_NONE);
  const stack_t stack{.ss_sp = static_cast<char*>(memory) + guard, .ss_flags = 0, .ss_size = size};
  ::sigaltstack(&stack, nullptr);
}

} // namespace

void install_crash_recorder(flight_recorder& into) noexcept {
  recorder = &into;
  process = ::getpid();
  crashing.store(0, std::memory_order_relaxed); // no thread can crash into it yet
  // First: the unwinder and the linker take memory and locks at their first use, which a handler
  // must not.
  warm_unwinder();
  note_main_stack();
  use_signal_stack();
  struct sigaction action {};
  action.sa_sigaction = &on_crash;
  // Not SA_RESETHAND: the default action of a second thread's crash would cut off the record of the
  // first. A crash inside the handler finds its signal blocked, and the kernel ends the process.
  action.sa_flags = SA_ONSTACK | SA_SIGINFO;
  sigemptyset(&action.sa_mask);
  for (std::size_t i = 0; i < crash_signals.size(); ++i)
    ::sigaction(crash_signals[i].number, &action, &previous[i]);
  action.sa_sigaction = &on_last_words;
  ::sigaction(last_words_signal, &action, nullptr);
  record_terminate(into);
}

} // namespace bulkhead::runtime
