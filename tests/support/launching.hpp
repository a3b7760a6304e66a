#pragma once

#include "runtime/forkserver/launch.hpp"
#include "runtime/system/descriptors.hpp"
#include "runtime/system/unique_fd.hpp"

#include <doctest/doctest.h>

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <future>
#include <string>
#include <vector>

// For tests of runtime/forkserver/launch.hpp: start one entry function, wait for what it says and
// how it ends.
namespace bulkhead::tests {

inline constexpr std::chrono::seconds patience{30}; // generous: machines are busy

inline std::chrono::steady_clock::time_point soon() {
  return std::chrono::steady_clock::now() + patience;
}

struct pipe_ends {
  runtime::unique_fd read;
  runtime::unique_fd write;

  pipe_ends() {
    int fds[2];
    REQUIRE(::pipe2(fds, O_CLOEXEC) == 0);
    read.reset(fds[0]);
    write.reset(fds[1]);
  }
};

inline bool readable_in_time(int fd) {
  pollfd look{fd, POLLIN, 0};
  return ::poll(&look, 1, static_cast<int>(std::chrono::milliseconds{patience}.count())) == 1;
}

/// Everything until the last writer has closed.
inline std::string read_all(int fd) {
  std::string text;
  std::array<char, 4096> part;
  while (readable_in_time(fd)) {
    const auto count = ::read(fd, part.data(), part.size());
    if (count <= 0)
      return text;
    text.append(part.data(), static_cast<std::size_t>(count));
  }
  FAIL("the writer did not end in time");
  return text;
}

/// One value that a worker wrote with `tell`.
template <class T>
T hear(int fd) {
  T value{};
  REQUIRE(readable_in_time(fd));
  REQUIRE(::read(fd, &value, sizeof value) == static_cast<ssize_t>(sizeof value));
  return value;
}

template <class T>
void tell(int fd, const T& value) {
  [[maybe_unused]] const auto count = ::write(fd, &value, sizeof value);
}

struct launched {
  std::shared_ptr<runtime::child> process;
  std::future<runtime::child_exit> exit;

  runtime::child_exit wait() {
    REQUIRE(exit.wait_for(patience) == std::future_status::ready);
    return exit.get();
  }
};

inline launched start(const runtime::launch_request& request) {
  auto promise = std::make_shared<std::promise<runtime::child_exit>>();
  launched made;
  made.exit = promise->get_future();
  made.process = runtime::launch(
    request, [promise](const runtime::child_exit& how) { promise->set_value(how); }, soon());
  return made;
}

inline runtime::launch_request request_for(runtime::worker_entry entry, std::vector<int> fds = {}) {
  runtime::launch_request request;
  request.entry = entry;
  request.fds = std::move(fds);
  return request;
}

inline launched start(runtime::worker_entry entry, std::vector<int> fds = {}) {
  return start(request_for(entry, std::move(fds)));
}

inline std::vector<std::byte> bytes_of_text(std::string_view text) {
  const auto bytes = std::as_bytes(std::span{text});
  return {bytes.begin(), bytes.end()};
}

/// Waits for the end of any process by pidfd.
inline bool ends_in_time(int pidfd) { return readable_in_time(pidfd); }

} // namespace bulkhead::tests
