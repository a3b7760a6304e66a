#pragma once

#include "runtime/this_process/fd_mark.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace bulkhead::runtime {

/// What this process is in the family. Written by init and at a worker's start, both
/// single-threaded; constant afterwards.
struct this_process {
  enum class role { not_initialised, host, forkserver, worker };

  static this_process& get();

  role kind = role::not_initialised;
  unsigned depth = 0;         ///< 0: the user's program; each worker is one deeper than its host
  int exe = -1;               ///< our own binary, opened at the start; -1: /proc was not there
  fd_mark exe_mark;           ///< of exe
  std::string name;           ///< argv[0]
  std::string title = "main"; ///< of a process that the library made: as it was called
  std::string host_title;     ///< in such a process: of the one that asked for it
  int host_pid = 0;           ///< in such a process
  int host = -1;              ///< in such a process: pidfd of its host
  /// Where the dynamic linker was the command: its words, and the program's absolute path.
  std::vector<std::string> loader;
  bool stdout_closed = false; ///< it was at the start: what has number 1 now is another's
  bool stderr_closed = false;
  std::vector<std::string> environment; ///< as it was in init, for each process made by exec

  /// The descriptor of our own binary; opened anew where the program has closed it behind our back.
  /// -1: /proc does not let us. Not thread-safe.
  int own_binary() noexcept;
  /// The words that make our own binary a process of the library.
  std::vector<std::string> command(std::string_view mark, int descriptor) const;
  /// Notes `loader` of this process, whose main has got `argc` words.
  void note_loader(int argc);

  /// Throws config_error that says which line to add.
  static void require_init();
};

/// argv[1] of processes that the library makes by exec; argv[2] is a descriptor.
inline constexpr const char* forkserver_mark = "--bulkhead-forkserver";
inline constexpr const char* worker_mark = "--bulkhead-worker";

} // namespace bulkhead::runtime
