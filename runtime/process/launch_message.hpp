#pragma once

#include "runtime/process/worker_setup.hpp"
#include "runtime/standing/confinement.hpp"

#include <bulkhead/detail/function_ref.hpp>

#include <sys/resource.h>
#include <sys/types.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <type_traits>

namespace bulkhead::runtime {

// Packets between host, forkserver and starting workers. All three run the same binary (it is
// opened once and exec'ed by descriptor), so layouts need no version; the magic number catches
// strangers. What comes back from them is checked by the host before it is used.

inline constexpr std::uint32_t message_magic = 0x42484b31; // "BHK1"
/// Modules and start bytes up to here travel in the packet, larger ones in a memfd.
inline constexpr std::size_t inline_bytes = 32 * 1024;
inline constexpr std::size_t max_start_bytes = std::size_t{256} << 20;
inline constexpr std::size_t packet_bytes = 64 * 1024;
/// Descriptors of one launch; the rest of a packet's room is ours.
inline constexpr std::size_t max_launch_fds = 240;
inline constexpr unsigned max_depth = 8; ///< of pools inside workers

enum class request_kind : std::uint32_t { hello, launch, preload };

/// Head of a request. Body: the host's standing, then known modules, the sandbox's plan and start
/// bytes, which are in a memfd where they are large. Descriptors: hello: notice, host, exe. launch
/// and preload: [memfd], [root], [directory], which the forkserver takes out; then of a launch:
/// control, [stdout], [stderr], the caller's.
struct request_head {
  std::uint32_t magic = message_magic;
  request_kind kind = request_kind::launch;
  std::uint64_t sequence = 0;
  detail::function_ref entry = {};
  std::uint32_t standing_bytes = 0; ///< 0 when handed on to a worker
  std::uint32_t modules_bytes = 0;
  std::uint32_t start_bytes = 0;
  std::uint32_t plan_bytes = 0; ///< of the sandbox; 0: none
  std::uint32_t depth = 0;      ///< hello: of the host
  std::int32_t host_pid = 0;    ///< hello and launch
  std::uint8_t by_exec = 0;
  std::uint8_t has_stdout = 0;
  std::uint8_t has_stderr = 0;
  std::uint8_t rest_in_memfd = 0;
  std::uint8_t has_root = 0;
  std::uint8_t has_directory = 0;
  worker_setup setup = {};
  std::array<char, 64> name = {};      ///< launch: of the new process
  std::array<char, 64> host_name = {}; ///< launch
  confinement bounds = {};             ///< launch and preload: of the host now
};

/// Answer to a request. With it, for a launch: the worker's pidfd.
struct reply_head {
  std::uint32_t magic = message_magic;
  std::int32_t error = 0; ///< errno; text says more
  std::uint64_t sequence = 0;
  std::int32_t pid = 0;
  std::uint32_t threads = 1; ///< of the forkserver; more than 1: it exec's every worker
  std::array<char, 1024> text{};
};

enum class notice_kind : std::uint32_t { ready, start_failed, exited };

/// What the host learns without asking; from the forkserver, or from a worker that is starting.
struct notice {
  std::uint32_t magic = message_magic;
  notice_kind kind = notice_kind::exited;
  std::int32_t pid = 0;
  std::int32_t status = 0; ///< exited: as from wait4; ready: the number of an audit's listener
                           ///< there, -1: none
  rusage usage{};          ///< exited
  setup_report report{};   ///< ready
  std::array<char, 256> text{};
};

/// reply_head::error of a forkserver that cannot take on the host's standing: it is of no more use
/// for launches, and serves those it has made.
inline constexpr std::int32_t outgrown = -1;

/// In front of a launch request that is handed on to an exec'ed worker; three more descriptors in
/// front: notice, host, exe. A memfd is one more, in front of the launch's own.
struct hop_head {
  std::uint32_t magic = message_magic;
  std::uint32_t depth = 0; ///< of the worker
};

static_assert(std::is_trivially_copyable_v<request_head> && std::is_trivially_copyable_v<notice>
              && std::is_trivially_copyable_v<reply_head>);

template <class T>
std::span<const std::byte> bytes_of(const T& value) noexcept {
  return std::as_bytes(std::span{&value, 1});
}

/// Copies `text` with its end into `into`, cut to fit.
template <std::size_t Size>
void put_text(std::array<char, Size>& into, std::string_view text) noexcept {
  const auto count = text.copy(into.data(), Size - 1);
  into[count] = '\0';
}

/// Reads text that may lack its end.
template <std::size_t Size>
std::string_view get_text(const std::array<char, Size>& from) noexcept {
  const std::string_view all{from.data(), Size};
  return all.substr(0, all.find('\0'));
}

} // namespace bulkhead::runtime
