#pragma once

#include <cstdint>

// Debian 12's headers end before the later parts of Landlock: its numbers are given here.
namespace bulkhead::runtime::sandbox {

namespace access_file {
inline constexpr std::uint64_t execute = 1U << 0;
inline constexpr std::uint64_t write = 1U << 1;
inline constexpr std::uint64_t read = 1U << 2;
inline constexpr std::uint64_t read_folder = 1U << 3;
inline constexpr std::uint64_t remove_folder = 1U << 4;
inline constexpr std::uint64_t remove = 1U << 5;
inline constexpr std::uint64_t make_folder = 1U << 7;
inline constexpr std::uint64_t make = 1U << 8;
inline constexpr std::uint64_t make_fifo = 1U << 10;
inline constexpr std::uint64_t make_link = 1U << 12;
inline constexpr std::uint64_t move = 1U << 13;     ///< version 2
inline constexpr std::uint64_t truncate = 1U << 14; ///< version 3
inline constexpr std::uint64_t control = 1U << 15;  ///< version 5: ioctl of devices

inline constexpr std::uint64_t reading = read | read_folder;
inline constexpr std::uint64_t writing =
  write | truncate | remove_folder | remove | make_folder | make | make_fifo | make_link | move;
/// What a rule for something that is no folder may allow.
inline constexpr std::uint64_t of_a_file = execute | write | read | truncate | control;
} // namespace access_file

/// All that a version of Landlock can forbid.
constexpr std::uint64_t known_access(int version) noexcept {
  if (version < 1)
    return 0;
  const auto bits = version >= 5 ? 16 : version >= 3 ? 15 : version == 2 ? 14 : 13;
  return (std::uint64_t{1} << bits) - 1;
}

inline constexpr int version_for_truncate = 3;
inline constexpr int version_for_ports = 4;
inline constexpr int version_for_scopes = 6;

/// 0 where the kernel has no Landlock.
int landlock_version() noexcept;

} // namespace bulkhead::runtime::sandbox
