#include "tools/command/detached.hpp"

#include "runtime/system/descriptors.hpp"
#include "runtime/system/unique_fd.hpp"

#include <sys/file.h>
#include <sys/random.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <system_error>

#include <fcntl.h>
#include <unistd.h>

#include <fmt/format.h>

namespace bulkhead::command {

namespace {

namespace fs = std::filesystem;
using runtime::unique_fd;

constexpr int first_signal_status = 128;

fs::path jobs_folder() {
  const char* state = std::getenv("XDG_STATE_HOME"); // NOLINT(concurrency-mt-unsafe): at start
  const char* home = std::getenv("HOME");            // NOLINT(concurrency-mt-unsafe): at start
  if (state != nullptr && *state == '/')
    return fs::path{state} / "bulkhead/jobs";
  if (home == nullptr || *home != '/')
    throw std::runtime_error("HOME is not set, so there is no place for detached jobs");
  return fs::path{home} / ".local/state/bulkhead/jobs";
}

std::string new_id() {
  std::uint32_t random = 0;
  while (::getrandom(&random, sizeof random, 0) != sizeof random) {
  }
  return fmt::format("{:08x}", random);
}

std::string text_of(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// Whole or not at all.
void write_whole(const fs::path& file, const std::string& text) {
  const auto made = fs::path{file}.concat(".new");
  std::ofstream out(made, std::ios::binary);
  out << text;
  out.close();
  if (!out)
    throw std::system_error(errno, std::generic_category(), made.string());
  fs::rename(made, file);
}

/// The process of the job; what a keeper is told to end, it ends.
volatile std::sig_atomic_t kept = 0;
void pass_on(int signal) {
  if (kept > 0)
    ::kill(kept, signal);
}

} // namespace

detached_job detached_job::make(const std::vector<std::string>& words) {
  const auto folder = jobs_folder() / new_id();
  fs::create_directories(folder);
  fs::permissions(folder, fs::perms::owner_all);
  std::string call = fs::current_path().string() + '\0';
  for (const auto& word : words)
    call += word + '\0';
  call += "--journal" + std::string{'\0'} + (folder / "journal").string() + '\0';
  write_whole(folder / "call", call);
  return detached_job{folder};
}

std::vector<detached_job> detached_job::all() {
  std::vector<std::pair<fs::file_time_type, detached_job>> found;
  std::error_code none;
  for (const auto& each : fs::directory_iterator(jobs_folder(), none))
    if (fs::exists(each.path() / "call"))
      found.emplace_back(fs::last_write_time(each.path() / "call"), each.path());
  std::sort(found.begin(), found.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<detached_job> jobs;
  jobs.reserve(found.size());
  for (auto& [time, each] : found)
    jobs.push_back(std::move(each));
  return jobs;
}

std::optional<detached_job> detached_job::find(const std::string& id) {
  const bool is_name = !id.empty() && id.find('/') == std::string::npos && id.front() != '.';
  if (!is_name || !fs::exists(jobs_folder() / id / "call"))
    return std::nullopt;
  return detached_job{jobs_folder() / id};
}

bool detached_job::runs() const {
  const unique_fd lock{::open((folder_ / "lock").c_str(), O_RDWR | O_CLOEXEC)};
  return lock && ::flock(lock.get(), LOCK_EX | LOCK_NB) != 0;
}

std::optional<int> detached_job::status() const {
  std::ifstream in(folder_ / "status");
  int status = 0;
  if (!(in >> status) || status >= first_signal_status)
    return std::nullopt;
  return status;
}

std::vector<std::string> detached_job::words() const {
  const auto call = text_of(folder_ / "call");
  std::vector<std::string> words;
  for (std::size_t from = call.find('\0') + 1; from < call.size();) {
    const auto end = std::min(call.find('\0', from), call.size());
    words.push_back(call.substr(from, end - from));
    from = end + 1;
  }
  return words;
}

// Two processes: the first leaves the session, the second is nobody's child any more.
void detached_job::start() const {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0)
    throw std::system_error(errno, std::generic_category(), "pipe2");
  const unique_fd ready{ends[0]};
  unique_fd told{ends[1]};
  const pid_t first = ::fork();
  if (first == 0) {
    ::setsid();
    if (::fork() != 0)
      ::_exit(0);
    keep(told.get());
  }
  if (first < 0)
    throw std::system_error(errno, std::generic_category(), "fork");
  ::waitpid(first, nullptr, 0);
  told.reset();
  char one = 0;
  if (::read(ready.get(), &one, 1) != 1)
    throw std::runtime_error(fmt::format("the job {} does not start: it runs already, or {} cannot "
                                         "be written",
                                         id(), folder_.string()));
}

void detached_job::keep(int ready) const {
  // Not closed by exec: the job holds the lock as well, should its keeper die.
  const int lock = ::open((folder_ / "lock").c_str(), O_RDWR | O_CREAT, 0600);
  const int out = ::open(output().c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  const int log_to = ::open(log().c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (lock < 0 || out < 0 || log_to < 0 || ::flock(lock, LOCK_EX | LOCK_NB) != 0)
    ::_exit(1);
  std::error_code ignored;
  fs::remove(folder_ / "status", ignored);
  runtime::point_at_null(STDIN_FILENO, O_RDONLY);
  ::dup2(out, STDOUT_FILENO);
  ::dup2(log_to, STDERR_FILENO);
  const char one = 1;
  if (::write(ready, &one, 1) != 1)
    ::_exit(1);
  ::close(ready);
  ::_exit(run_here());
}

// How it ended is written where it ended by itself: what a signal has ended may go on.
int detached_job::run_here() const {
  const auto call = text_of(folder_ / "call");
  auto words = this->words();
  std::vector<char*> argv;
  std::string name = "bulkhead";
  argv.push_back(name.data());
  for (auto& word : words)
    argv.push_back(word.data());
  argv.push_back(nullptr);
  kept = ::fork();
  if (kept == 0) {
    if (::chdir(call.c_str()) == 0)
      ::execv("/proc/self/exe", argv.data());
    ::_exit(127);
  }
  for (const int signal : {SIGTERM, SIGINT, SIGHUP})
    std::signal(signal, pass_on);
  int status = 0;
  while (::waitpid(kept, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status))
    write_whole(folder_ / "status", std::to_string(WEXITSTATUS(status)));
  return 0;
}

} // namespace bulkhead::command
