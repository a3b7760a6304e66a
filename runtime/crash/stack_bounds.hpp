#pragma once

#include <cstdint>

namespace bulkhead::runtime {

/// On the main thread, once.
void note_main_stack() noexcept;

/// Whether an access to `fault` with this stack pointer ran off the end of a stack: it lies next to
/// the stack pointer, or the stack pointer of the main thread has passed the stack's limit (a frame
/// larger than the guard). Async-signal-safe.
bool is_stack_overflow(std::uintptr_t fault, std::uintptr_t stack_pointer) noexcept;

} // namespace bulkhead::runtime
