#pragma once

#include "runtime/system/unique_fd.hpp"

#include <sched.h>
#include <sys/resource.h>
#include <sys/types.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace bulkhead::runtime {

/// What a process is to the kernel and may change while it runs. The host sends its own with each
/// request and the forkserver takes it on first, so that a new process has neither more rights than
/// the host has now nor another directory. Travels as bytes.
struct standing {
  struct ids {
    std::uint32_t real = 0;
    std::uint32_t effective = 0;
    std::uint32_t saved = 0;
    bool operator==(const ids&) const = default;
  };
  struct capabilities {
    std::uint64_t permitted = 0;
    std::uint64_t effective = 0;
    std::uint64_t inheritable = 0;
    std::uint64_t ambient = 0;
    std::uint64_t bounding = 0;
    std::uint64_t secure_bits = 0; ///< without SECBIT_KEEP_CAPS, which no exec keeps
    bool operator==(const capabilities&) const = default;
  };

  ids user;
  ids group;
  capabilities able;
  std::int32_t no_new_privileges = 0;
  std::int32_t mask = -1; ///< umask; -1: /proc does not tell
  cpu_set_t cpus = {};    ///< of the main thread; none: not known
  std::array<rlimit, RLIM_NLIMITS> limits = {};
  std::vector<gid_t> groups = {};

  /// Of the three sets, and of what is ambient, only what is in `most` too.
  void restrict_to(const capabilities& most) noexcept;

  /// Of the calling thread. Never throws but for memory; what cannot be learnt stays at its
  /// default.
  static standing now();
  std::vector<std::byte> encode() const;
  /// Throws launch_error for bytes that are none.
  static standing decode(std::span<const std::byte> bytes);
};

/// Where a process is: borrowed descriptors of its root and its directory; -1: not known.
struct place {
  int root = -1;
  int directory = -1;
};

/// A descriptor that only names the folder. Empty where it may not be looked up.
unique_fd name_of_folder(const char* path) noexcept;

/// Makes the calling process like `wanted`, at `where`. Null when it is; else the call that was
/// refused, with errno, and the process is somewhere in between: no more rights than before.
/// Single-threaded.
const char* take_on(const standing& wanted, const place& where) noexcept;

} // namespace bulkhead::runtime
