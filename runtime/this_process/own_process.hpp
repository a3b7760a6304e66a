#pragma once

#include <cstdint>

namespace bulkhead::runtime {

/// "Is this still my process?" A process that calls fork() by itself makes a copy that shares
/// descriptors and looks like the original; the library must not work there. The answer is one
/// load from a page that the kernel wipes in the child (MADV_WIPEONFORK). Thread-safe.
class own_process {
public:
  /// A number for this process, never the same in two processes of one family. 0 in a copy made by
  /// fork() behind our back.
  static std::uint64_t identity() noexcept;

  /// Whether an object that stored `identity` when it was made belongs to this process.
  static bool is(std::uint64_t identity) noexcept {
    return identity != 0 && identity == own_process::identity();
  }

  /// Throws config_error in a forked copy.
  static void require();

  /// Throws config_error where an object that stored `identity` belongs to another process: in a
  /// forked copy, and in a worker that is a copy of the host.
  static void require(std::uint64_t identity) {
    if (!is(identity)) [[unlikely]]
      throw_foreign();
  }

  /// Makes the calling process an original again. Only for processes that the library itself
  /// forked, and only while they are single-threaded.
  static void adopt() noexcept;

private:
  [[noreturn]] static void throw_foreign();
};

} // namespace bulkhead::runtime
