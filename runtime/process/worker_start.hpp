#pragma once

#include "runtime/system/unique_fd.hpp"

#include <bulkhead/detail/descriptor_list.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace bulkhead::runtime {

/// Exit codes of workers that mean something to the host.
inline constexpr int exit_hung_up = 124;      ///< the host closed its end, or is gone
inline constexpr int exit_start_failed = 125; ///< the clean start failed; start_error says why

/// What the entry function of a new process gets. The process is clean: see worker_setup.
struct worker_start {
  std::span<const std::byte> start; ///< launch_request::start; valid while the process lives
  std::vector<unique_fd> fds;       ///< launch_request::fds, same order
  unique_fd control; ///< SOCK_SEQPACKET, peer of child::control(); for the watch thread
  unique_fd host;    ///< pidfd of the host; for the watch thread
  int exit_code = 0; ///< the process ends with it when the entry returns
};

/// The descriptors from `first` on, under the keys by which the arguments of calls name them.
inline detail::descriptor_list take_brought(worker_start& start, std::size_t first,
                                            std::span<const std::uint64_t> keys) {
  detail::descriptor_list list;
  for (std::size_t i = 0; i < keys.size(); ++i)
    list.add(keys[i], std::make_shared<detail::open_descriptor>(start.fds.at(first + i).release()));
  return list;
}

/// Runs in the new process, on its only thread. When it returns, stdio is flushed and the process
/// ends without destructors or atexit functions: they belong to the host. An exception that
/// leaves it ends the process with SIGABRT.
using worker_entry = void (*)(worker_start&);

} // namespace bulkhead::runtime
