#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

// What a worker that was taken over may try against everybody else, and what it gets under each
// profile.
namespace bulkhead::tests {

/// What the attacks aim at: all of it exists, and could be reached by a worker without a sandbox.
struct attack_targets {
  int host = 0;
  int sibling = 0;
  int port = 0;              ///< a TCP socket listens
  std::string name;          ///< of an abstract Unix socket that listens
  std::string path;          ///< of a Unix socket that listens
  std::uint64_t address = 0; ///< in the host

  template <class Inspector>
  friend auto inspect(Inspector& f, attack_targets& x) {
    return f(x.host, x.sibling, x.port, x.name, x.path, x.address);
  }
};

/// In place of an errno: it ended its worker as a violation.
inline constexpr int violation = -1;

struct attack {
  const char* name;
  /// 0: it reached its aim; else errno. In a worker, on its task's thread.
  int (*run)(const attack_targets&);
  int strict;   ///< what comes of it there: errno or `violation`
  int standard; ///< and there; 0: the profile allows it
};

const std::vector<attack>& attacks();
/// Its number by its name; an unknown one throws std::out_of_range.
std::size_t attack_named(std::string_view name);

/// Makes the system call and gives what the kernel answers: -errno where it fails.
using call_maker = long (*)(long number, long, long, long, long, long, long);

/// How attacks of this process make their calls from now on; null: by libc.
void make_calls_by(call_maker code) noexcept;

/// For attacks: by the call_maker of the process.
long make_call(long number, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0,
               long f = 0) noexcept;

template <class... Arguments>
long call(long number, Arguments... arguments) noexcept {
  return make_call(number, (long)(arguments)...); // NOLINT: pointers and numbers alike
}

/// As an attack answers.
inline int errno_of(long result) noexcept { return result < 0 ? static_cast<int>(-result) : 0; }

std::span<const attack> attacks_on_processes();
std::span<const attack> attacks_on_files();
std::span<const attack> attacks_by_network();
std::span<const attack> attacks_on_kernel();

/// Sockets that listen, for as long as it lives.
class attack_sockets {
public:
  attack_sockets();
  ~attack_sockets();
  attack_sockets(const attack_sockets&) = delete;
  attack_sockets& operator=(const attack_sockets&) = delete;

  int port = 0;
  std::string name;
  std::string path;

private:
  int tcp_ = -1;
  int abstract_ = -1;
  int unix_ = -1;
};

} // namespace bulkhead::tests
