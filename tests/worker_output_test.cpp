#include "runtime/process/worker_output.hpp"

#include "tests/support/leak_guard.hpp"

#include <doctest/doctest.h>

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <future>
#include <string>

using namespace bulkhead;
using namespace bulkhead::runtime;
using namespace std::chrono_literals;

namespace {

void put(int fd, std::string_view text) {
  while (!text.empty()) {
    const auto count = ::write(fd, text.data(), text.size());
    REQUIRE(count > 0);
    text.remove_prefix(static_cast<std::size_t>(count));
  }
}

// Returns when the runtime thread has finished what it was doing before.
void pass_runtime_thread(reactor& thread) {
  std::promise<void> passed;
  thread.post([&] { passed.set_value(); });
  REQUIRE(passed.get_future().wait_for(20s) == std::future_status::ready);
}

std::string read_until(int fd, std::string_view mark) {
  std::string text;
  std::array<char, 4096> bytes{};
  const auto deadline = std::chrono::steady_clock::now() + 20s;
  while (text.find(mark) == std::string::npos && std::chrono::steady_clock::now() < deadline) {
    pollfd look{fd, POLLIN, 0};
    if (::poll(&look, 1, 1000) != 1)
      continue;
    const auto count = ::read(fd, bytes.data(), bytes.size());
    if (count <= 0)
      break;
    text.append(bytes.data(), static_cast<std::size_t>(count));
  }
  return text;
}

std::string read_all(int fd) {
  std::string text;
  std::array<char, 4096> bytes{};
  for (pollfd look{fd, POLLIN, 0}; ::poll(&look, 1, 0) == 1;) {
    const auto count = ::read(fd, bytes.data(), bytes.size());
    REQUIRE(count > 0);
    text.append(bytes.data(), static_cast<std::size_t>(count));
  }
  return text;
}

/// The sum of all "[p/1] (N lines dropped...".
std::uint64_t told_dropped(const std::string& text) {
  const std::string mark = "[p/1] (";
  std::uint64_t sum = 0;
  for (auto at = text.find(mark); at != std::string::npos; at = text.find(mark, at + 1))
    sum += std::stoull(text.substr(at + mark.size()));
  return sum;
}

/// By all epoll descriptors of this process.
int watched_descriptors() {
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator{"/proc/self/fdinfo"}) {
    std::ifstream file{entry.path()};
    for (std::string line; std::getline(file, line);)
      count += line.starts_with("tfd:");
  }
  return count;
}

/// Makes the process's stderr the write end of a pipe.
class captured_stderr {
public:
  captured_stderr() {
    std::array<int, 2> ends{};
    REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
    read_end_.reset(ends[0]);
    saved_.reset(::fcntl(2, F_DUPFD_CLOEXEC, 3));
    ::dup2(ends[1], 2);
    ::close(ends[1]);
  }
  ~captured_stderr() { restore(); }
  void restore() {
    if (saved_)
      ::dup2(saved_.get(), 2);
    saved_.reset();
  }
  int fd() const { return read_end_.get(); }
  void close_reader() { read_end_.reset(); }

private:
  unique_fd read_end_;
  unique_fd saved_;
};

} // namespace

TEST_CASE("capture keeps the last lines of what was written") {
  const tests::leak_guard guard;
  worker_output out{output_mode::capture, "p", 1, reactor::acquire()};
  put(out.write_fd(), "first\nsecond\nthird, not ended");
  CHECK(out.tail(1000) == "first\nsecond\nthird, not ended");
  CHECK(out.tail(20) == "third, not ended");
  CHECK(out.tail(0).empty());
}

TEST_CASE("capture keeps at most 16 KiB and starts at a line") {
  worker_output out{output_mode::capture, "p", 1, reactor::acquire()};
  for (int i = 0; i < 10'000; ++i)
    put(out.write_fd(), "line " + std::to_string(i) + '\n');
  const auto tail = out.tail(1 << 20);
  CHECK(tail.size() <= line_tail::kept_bytes);
  CHECK(tail.starts_with("line "));
  CHECK(tail.ends_with("line 9999\n"));
}

TEST_CASE("bytes that are no text come out printable") {
  worker_output out{output_mode::capture, "p", 1, reactor::acquire()};
  put(out.write_fd(), "a\x1b[31mb\xff\n");
  CHECK(out.tail(1000) == "a?[31mb?\n");
}

TEST_CASE("a line without end is cut and costs no memory") {
  worker_output out{output_mode::capture, "p", 1, reactor::acquire()};
  const std::string piece(64 * 1024, 'x');
  for (int i = 0; i < 64; ++i)
    put(out.write_fd(), piece);
  put(out.write_fd(), "\nnext\n");
  const auto tail = out.tail(1 << 20);
  CHECK(tail.size() < line_tail::max_line_bytes + 10);
  CHECK(tail.ends_with(" [... cut]\nnext\n"));
}

TEST_CASE("the tail is complete after the writer's death") {
  worker_output out{output_mode::capture, "p", 1, reactor::acquire()};
  const pid_t child = ::fork();
  if (child == 0) {
    const char text[] = "last words\n";
    const auto count = ::write(out.write_fd(), text, sizeof text - 1);
    ::_exit(count > 0 ? 0 : 1);
  }
  out.close_write_end();
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(out.tail(1000) == "last words\n");
}

TEST_CASE("a descendant that holds the write end keeps nothing alive") {
  const tests::leak_guard guard;
  unique_fd held;
  {
    worker_output out{output_mode::capture, "p", 1, reactor::acquire()};
    held.reset(::fcntl(out.write_fd(), F_DUPFD_CLOEXEC, 3));
    out.close_write_end();
    put(held.get(), "hello\n");
    CHECK(out.tail(1000) == "hello\n");
  }
  // The writer learns it instead of waiting for ever.
  struct sigaction ignore {
  }, before{};
  ignore.sa_handler = SIG_IGN;
  ::sigaction(SIGPIPE, &ignore, &before);
  CHECK(::write(held.get(), "x", 1) == -1);
  ::sigaction(SIGPIPE, &before, nullptr);
}

TEST_CASE("the end of the output does not keep the runtime thread awake") {
  const auto thread = reactor::acquire();
  const int watched_before = watched_descriptors();
  worker_output out{output_mode::capture, "p", 1, thread};
  CHECK(watched_descriptors() == watched_before + 1);
  put(out.write_fd(), "bye\n");
  out.close_write_end();
  const auto deadline = std::chrono::steady_clock::now() + 20s;
  while (watched_descriptors() != watched_before && std::chrono::steady_clock::now() < deadline)
    pass_runtime_thread(*thread);
  CHECK(watched_descriptors() == watched_before); // a watched end of file is always readable
  CHECK(out.tail(100) == "bye\n");
}

TEST_CASE("prefix writes whole lines with pool and worker to stderr") {
  std::string text;
  {
    captured_stderr err;
    worker_output out{output_mode::prefix, "count", 3, reactor::acquire()};
    put(out.write_fd(), "one\ntw");
    put(out.write_fd(), "o\nthree\n");
    text = read_until(err.fd(), "three\n");
  }
  CHECK(text == "[count/3] one\n[count/3] two\n[count/3] three\n");
}

TEST_CASE("prefix prints a last line without newline when the output ends") {
  std::string text;
  {
    captured_stderr err;
    {
      worker_output out{output_mode::prefix, "", 0, reactor::acquire()};
      put(out.write_fd(), "unfinished");
    }
    text = read_until(err.fd(), "\n");
  }
  CHECK(text == "[pool/0] unfinished\n");
}

TEST_CASE("a full stderr delays neither worker nor runtime thread; dropped lines are counted") {
  const auto thread = reactor::acquire();
  std::string text;
  std::uint64_t dropped = 0;
  {
    captured_stderr err;
    worker_output out{output_mode::prefix, "p", 1, thread};
    const std::string line(999, 'x');
    for (int i = 0; i < 2000; ++i)
      put(out.write_fd(), line + '\n'); // far more than stderr's pipe holds, and nobody reads it
    out.tail(1);
    pass_runtime_thread(*thread);
    dropped = out.dropped_lines();
    text = read_all(err.fd());
    put(out.write_fd(), "after\n");
    text += read_until(err.fd(), "after\n");
  }
  CHECK(dropped > 1000);
  CHECK(told_dropped(text) == dropped);
}

TEST_CASE("a stderr that nobody reads any more raises no signal") {
  {
    captured_stderr err;
    err.close_reader();
    worker_output out{output_mode::prefix, "p", 1, reactor::acquire()};
    put(out.write_fd(), "into the void\n");
    CHECK(out.tail(100) == "into the void\n"); // printed in this thread, without SIGPIPE
  }
  sigset_t pending;
  sigpending(&pending);
  CHECK(sigismember(&pending, SIGPIPE) == 0);
}

TEST_CASE("a flooding worker leaves the runtime thread to others") {
  const auto thread = reactor::acquire();
  auto out = std::make_unique<worker_output>(output_mode::capture, "p", 1, thread);
  const pid_t flood = ::fork();
  if (flood == 0) {
    const auto fd = static_cast<unsigned>(out->write_fd()); // a worker has no read end either
    ::close_range(3, fd - 1, 0);
    ::close_range(fd + 1, ~0U, 0);
    ::signal(SIGPIPE, SIG_DFL);
    static const std::array<char, 65536> bytes{};
    while (::write(out->write_fd(), bytes.data(), bytes.size()) > 0)
      continue;
    ::_exit(0);
  }
  out->close_write_end();
  for (int i = 0; i < 1000; ++i)
    pass_runtime_thread(*thread);
  out.reset(); // ends the flood: EPIPE
  int status = 0;
  REQUIRE(::waitpid(flood, &status, 0) == flood);
}

TEST_CASE("null output swallows") {
  const auto null = open_null_output();
  CHECK(::write(null.get(), "x", 1) == 1);
}
