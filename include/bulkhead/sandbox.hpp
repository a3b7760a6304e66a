#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace bulkhead {

class sandbox_audit;

/// What a worker may do by itself; docs/guide.md has a table of them.
enum class sandbox_profile : std::uint8_t {
  none,     ///< whatever the host's user may do (default)
  standard, ///< reads files and starts threads; writes, connects, signals and executes nothing
  strict,   ///< computes: memory, time and the channel to the host; no files, no threads
};

/// A sandbox: a profile and what is allowed beyond it. It holds from before the initializer until
/// the worker's end and cannot be taken off from inside. Needs Linux with seccomp; Landlock (Linux
/// 5.13, for all of it 6.12) for files, ports and signals: pool::isolation() tells what is missing.
///
/// A forbidden system call ends the worker: its task fails as worker_died with
/// exit_cause::policy_violation, and the message names the call and the member that would allow it.
/// A forbidden file is an error inside the task instead: EACCES from open and its kin.
///
/// Paths that are relative begin at the host's working directory when the pool is made. They must
/// exist; folders stand for all that is below them.
struct sandbox_policy {
  sandbox_profile base = sandbox_profile::none;
  std::vector<std::string> read = {};  ///< may be read. standard: with the system's libraries, in
                                       ///< place of all files
  std::vector<std::string> write = {}; ///< may be read, written, made and removed
  std::vector<std::uint16_t> connect = {};      ///< TCP ports, on any host; 1 and more
  std::vector<std::string> exec = {};           ///< programs that may be executed, in new processes
  std::vector<std::string> allow_syscalls = {}; ///< by name, whatever their arguments: "mincore"
  std::vector<std::string> environment = {}; ///< variables kept beside PATH, LANG, LC_*, TZ; a last
                                             ///< * stands for any rest
  bool threads = false;                      ///< strict: tasks may start threads
  bool executable_memory = false; ///< strict: memory may be made executable, as compilers at run
                                  ///< time need it
  std::uint32_t first_user = 0;   ///< host is root: each worker has user and group of its own, this
                                  ///< number plus its process number; 0: the host's
  bool require = false; ///< refuse to start with less than all of it: config_error names what lacks
  std::shared_ptr<sandbox_audit> audit =
    {}; ///< set: nothing is forbidden or taken away, and what
        ///< would have been is noted there; <bulkhead/audit.hpp>

  friend bool operator==(const sandbox_policy&, const sandbox_policy&) = default;
};

/// Whether workers can be started under this policy here: throws the config_error that a pool would
/// throw, and nothing else. Thread-safe; blocks for look-ups of files.
void check(const sandbox_policy& policy);

} // namespace bulkhead
