#pragma once

#include <bulkhead/sandbox.hpp>

#include <cstdlib>
#include <string>
#include <utility>

namespace bulkhead::tests {

/// The policy; with what a sanitizer's own checks call where the test is built with one.
inline sandbox_policy with_sanitizer_calls(sandbox_policy policy) {
#ifdef __SANITIZE_ADDRESS__
  for (const auto* call : {"pipe", "pipe2"}) // whether an address can be read
    policy.allow_syscalls.push_back(call);
#endif
  return policy;
}

/// While it lives, programs that are started look for no leaks at their end: LeakSanitizer needs
/// ptrace for it, and must have been loaded by the kernel.
class no_leak_check {
public:
  no_leak_check() {
    if (const auto* now = std::getenv("ASAN_OPTIONS"))
      before_ = now;
    ::setenv("ASAN_OPTIONS", (before_ + ":detect_leaks=0").c_str(), 1);
  }
  ~no_leak_check() { ::setenv("ASAN_OPTIONS", before_.c_str(), 1); }
  no_leak_check(const no_leak_check&) = delete;
  no_leak_check& operator=(const no_leak_check&) = delete;

private:
  std::string before_;
};

} // namespace bulkhead::tests
