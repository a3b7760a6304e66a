#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace bulkhead::runtime {

/// What holds a process within bounds and cannot be taken on from another: only a child of the
/// confined process has it too. A forkserver that was made before the host changed it is of no more
/// use. Travels as bytes.
struct confinement {
  struct place {
    std::uint64_t device = 0;
    std::uint64_t inode = 0; ///< 0: not known
    bool operator==(const place&) const = default;
  };
  static constexpr std::size_t kinds = 8;

  std::array<place, kinds> namespaces = {};
  std::uint64_t cgroup = 0;          ///< hash of /proc/self/cgroup; 0: not known
  std::uint64_t label = 0;           ///< hash of the security module's label; 0: not known
  std::uint64_t seccomp_filters = 0; ///< of the calling or of the main thread, whichever has more

  /// Of the calling thread. Never throws; what cannot be learnt (without /proc) stays at 0.
  static confinement now() noexcept;
  /// Null where `host` is held as this is; else what differs. What one of both does not know is no
  /// difference.
  const char* differs_from(const confinement& host) const noexcept;
};

} // namespace bulkhead::runtime
