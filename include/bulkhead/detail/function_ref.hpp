#pragma once

#include <cstdint>

namespace bulkhead::detail {

/// A function as each process of this program can find it: the module by identity, the code by its
/// distance from where the module is loaded. {0, 0} is no function.
struct function_ref {
  std::uint64_t module = 0;
  std::uint64_t offset = 0;

  friend bool operator==(const function_ref&, const function_ref&) = default;
};

/// Names the code at an address of this process. Thread-safe; cached for each thread. Throws
/// codec_error where no loaded module has code there (made at run time, or already unloaded).
/// A module whose code was named must stay loaded.
function_ref to_ref(const void* code);

/// The code's address in this process. Thread-safe; cached for each thread. Loads the module where
/// the host named its file. Throws codec_error where the module is unknown, is not the one at
/// that path any more, or has no code at the offset.
const void* from_ref(function_ref ref);

template <class R, class... Args>
function_ref to_ref(R (*function)(Args...)) {
  return to_ref(reinterpret_cast<const void*>(function));
}

} // namespace bulkhead::detail
