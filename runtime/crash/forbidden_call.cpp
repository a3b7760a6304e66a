#include "runtime/crash/forbidden_call.hpp"

#include "runtime/sandbox/named_places.hpp"

#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <span>

namespace bulkhead::runtime {

namespace {

constexpr int sent_by_filter = 1; ///< SYS_SECCOMP

// The kernel reads, so that a bad address is an error and no crash. Byte by byte: a path may end
// where its memory does.
void copy_text(std::uintptr_t from, std::span<char> to) noexcept {
  for (std::size_t i = 0; i + 1 < to.size(); ++i) {
    const iovec target{&to[i], 1};
    const iovec source{reinterpret_cast<void*>(from + i), 1};
    if (::process_vm_readv(::getpid(), &target, 1, &source, 1, 0) != 1 || to[i] == '\0') {
      to[i] = '\0';
      return;
    }
  }
  to.back() = '\0';
}

void copy_bytes(std::uintptr_t from, std::size_t count, std::span<char> to) noexcept {
  const iovec target{to.data(), std::min(count, to.size() - 1)};
  const iovec source{reinterpret_cast<void*>(from), target.iov_len};
  ::process_vm_readv(::getpid(), &target, 1, &source, 1, 0);
}

} // namespace

bool is_forbidden_call(int signal, const siginfo_t& about) noexcept {
  return signal == SIGSYS && about.si_code == sent_by_filter;
}

void record_forbidden_call(const siginfo_t& about, const machine_context& at,
                           flight_recorder& into) noexcept {
  const auto number = static_cast<long>(about.si_syscall);
  // Plus one: zero means that there was none.
  into.call = static_cast<std::uint64_t>(number) + 1;
  for (std::size_t i = 0; i < 6; ++i)
    into.call_arguments[i] = at.call_argument(i);
  for (const auto& place : sandbox::named_places) {
    if (place.call != number)
      continue;
    const auto place_at = into.call_arguments[place.argument];
    if (place.use == sandbox::place_use::address)
      copy_bytes(place_at, into.call_arguments[static_cast<unsigned>(place.more)], into.call_place);
    else
      copy_text(place_at, into.call_place);
    return;
  }
}

} // namespace bulkhead::runtime
