#pragma once

#include <ucontext.h>

#include <array>
#include <cstddef>
#include <cstdint>

namespace bulkhead::runtime {

/// The registers of an interrupted thread that crash recording needs, by machine.
class machine_context {
public:
  explicit machine_context(void* context) noexcept : context_(*static_cast<ucontext_t*>(context)) {}

#if defined(__x86_64__)
  std::uintptr_t pc() const noexcept { return read(REG_RIP); }
  std::uintptr_t sp() const noexcept { return read(REG_RSP); }
  /// Where the return address of a call lies whose first instruction has not run yet.
  bool return_on_stack() const noexcept { return true; }
  std::uintptr_t link() const noexcept { return 0; }
  /// Of the system call that the thread was about to make; 0 to 5.
  std::uint64_t call_argument(std::size_t which) const noexcept {
    constexpr std::array order{REG_RDI, REG_RSI, REG_RDX, REG_R10, REG_R8, REG_R9};
    return read(order[which]);
  }
  /// Makes it look as if that call had returned.
  void undo_call(std::uintptr_t return_address) noexcept {
    context_.uc_mcontext.gregs[REG_RIP] = static_cast<greg_t>(return_address);
    context_.uc_mcontext.gregs[REG_RSP] += static_cast<greg_t>(sizeof return_address);
  }

private:
  std::uintptr_t read(int which) const noexcept {
    return static_cast<std::uintptr_t>(context_.uc_mcontext.gregs[which]);
  }
#elif defined(__aarch64__)
  std::uintptr_t pc() const noexcept { return context_.uc_mcontext.pc; }
  std::uintptr_t sp() const noexcept { return context_.uc_mcontext.sp; }
  bool return_on_stack() const noexcept { return false; }
  std::uintptr_t link() const noexcept { return context_.uc_mcontext.regs[30]; }
  std::uint64_t call_argument(std::size_t which) const noexcept {
    return context_.uc_mcontext.regs[which];
  }
  void undo_call(std::uintptr_t return_address) noexcept {
    context_.uc_mcontext.pc = return_address;
  }

private:
#else
#  error "machine_context knows x86-64 and aarch64"
#endif
  ucontext_t& context_;
};

} // namespace bulkhead::runtime
