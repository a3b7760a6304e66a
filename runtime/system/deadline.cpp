#include "runtime/system/deadline.hpp"

#include "runtime/system/timespec.hpp"

#include <poll.h>

#include <algorithm>
#include <cerrno>

namespace bulkhead::runtime {

int wait_for(int fd, short events, std::chrono::steady_clock::time_point deadline) noexcept {
  using namespace std::chrono;
  for (;;) {
    const auto now = steady_clock::now();
    const auto left = deadline > now ? deadline - now : steady_clock::duration{0};
    const auto bounded = std::min<nanoseconds>(left, hours{1}); // far deadlines come round again
    const auto time = as_timespec(bounded);
    pollfd look{.fd = fd, .events = events, .revents = 0};
    const auto count = ::ppoll(&look, 1, &time, nullptr);
    if (count > 0)
      return 0;
    if (count < 0 && errno != EINTR)
      return errno;
    if (count == 0 && steady_clock::now() >= deadline)
      return ETIMEDOUT;
  }
}

} // namespace bulkhead::runtime
