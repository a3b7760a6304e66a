#include "runtime/system/system_text.hpp"

#include <sys/resource.h>

#include <cerrno>
#include <system_error>

namespace bulkhead::runtime {

namespace {

std::string limit_text(const char* name, decltype(RLIMIT_NOFILE) which) {
  rlimit limit{};
  if (::getrlimit(which, &limit) != 0)
    return {};
  const auto value =
    limit.rlim_cur == RLIM_INFINITY ? std::string{"unlimited"} : std::to_string(limit.rlim_cur);
  return std::string{name} + " is " + value;
}

std::string limits_of(int error) {
  switch (error) {
  case EMFILE:
    return limit_text("RLIMIT_NOFILE", RLIMIT_NOFILE);
  case ENFILE:
    return "the system's limit fs.file-max";
  // fork() and pthread_create() say EAGAIN for both limits, and nothing tells which of them it was.
  case EAGAIN:
    return limit_text("RLIMIT_NPROC", RLIMIT_NPROC) + "; the cgroup's pids.max counts too";
  case ENOMEM:
    return limit_text("RLIMIT_AS", RLIMIT_AS);
  default:
    return {};
  }
}

} // namespace

std::string system_text(std::string_view call, int error) {
  auto text = std::string{call} + ": " + std::generic_category().message(error);
  if (const auto limits = limits_of(error); !limits.empty())
    text += " (" + limits + ")";
  return text;
}

} // namespace bulkhead::runtime
