// Tasks that the tests of the command run.
#include <bulkhead/task.hpp>
#include <bulkhead/worker.hpp>

#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace {

std::int64_t square(std::int64_t x) { return x * x; }

std::int64_t sum(const std::vector<std::int64_t>& parts) {
  std::int64_t total = 0;
  for (const auto part : parts)
    total += part;
  return total;
}

std::int64_t add(std::int64_t a, std::int64_t b) { return a + b; }

/// Throws, crashes or exits as it is told.
std::string misbehave(const std::string& how) {
  if (how == "throw")
    throw std::runtime_error("thrown on purpose");
  if (how == "crash")
    std::raise(SIGSEGV);
  if (how == "kill")
    std::raise(SIGKILL);
  if (how == "exit")
    std::_Exit(3);
  return how;
}

/// Says on standard error that it runs, then waits until somebody writes into the FIFO.
std::string wait_for(const std::string& fifo) {
  const std::string text = "waiting for " + fifo + "\n";
  (void)!::write(STDERR_FILENO, text.data(), text.size());
  const int fd = ::open(fifo.c_str(), O_RDONLY | O_CLOEXEC);
  char byte = 0;
  const auto got = ::read(fd, &byte, 1);
  ::close(fd);
  return got == 1 ? "released" : "closed";
}

/// Prints beside its result.
std::string loud(const std::string& text) {
  const auto line = "loud " + text + "\n";
  (void)!::write(STDOUT_FILENO, line.data(), line.size());
  return text;
}

/// "bytes" gives what is not UTF-8.
std::string odd_text(const std::string& which) { return which == "bytes" ? "\xff\xfe" : which; }

double odd_number(const std::string& which) {
  using limits = std::numeric_limits<double>;
  return which == "bytes" ? -limits::infinity() : limits::quiet_NaN();
}

/// How many bytes its standard input has for it.
std::int64_t bytes_of_input(const std::string&) {
  char block[64];
  return ::read(STDIN_FILENO, block, sizeof block);
}

/// Says how far it is, then waits until somebody writes into the FIFO.
std::string wait_at_40_percent(const std::string& fifo) {
  bulkhead::this_task::progress(0.4);
  return wait_for(fifo);
}

/// A file's path as it was given; throws where there is none.
std::string there(const std::string& file) {
  struct stat s {};
  if (::stat(file.c_str(), &s) != 0)
    throw std::runtime_error("it is not there");
  return file;
}

/// Leaves a line in a file: that it ran, for this number.
std::int64_t leave_note(std::int64_t number, const std::string& file) {
  const auto line = std::to_string(number) + "\n";
  const int fd = ::open(file.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  (void)!::write(fd, line.data(), line.size());
  ::close(fd);
  return number;
}

/// How many bytes can be read of it.
std::int64_t file_bytes(const std::string& file) {
  const int fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    throw std::runtime_error("it cannot be opened");
  char piece[4096];
  const auto count = ::read(fd, piece, sizeof piece);
  ::close(fd);
  return count;
}

std::uint64_t whole(std::uint64_t number) { return number; }

} // namespace

BULKHEAD_TASK("test.square", square)
BULKHEAD_TASK("test.sum", sum)
BULKHEAD_TASK("test.add", add)
BULKHEAD_TASK("test.misbehave", misbehave)
BULKHEAD_TASK("test.wait_for", wait_for)
BULKHEAD_TASK("test.loud", loud)
BULKHEAD_TASK("test.odd_text", odd_text)
BULKHEAD_TASK("test.odd_number", odd_number)
BULKHEAD_TASK("test.whole", whole)
BULKHEAD_TASK("test.leave_note", leave_note)
BULKHEAD_TASK("test.there", there)
BULKHEAD_TASK("test.bytes_of_input", bytes_of_input)
BULKHEAD_TASK("test.file_bytes", file_bytes)
BULKHEAD_TASK("test.wait_at_40_percent", wait_at_40_percent)
