// ctest-timeout: 180
// A worker that was taken over and cannot get out may still use up what there is, or try to reach
// another file by the folders that it may use.
#include "tests/support/leak_guard.hpp"
#include "tests/support/sanitizer_calls.hpp"
#include "tests/support/temporary_folder.hpp"

#include <bulkhead/error.hpp>
#include <bulkhead/pool.hpp>

#include <doctest/doctest.h>

#include <fcntl.h>
#include <linux/openat2.h>
#include <pthread.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace bulkhead;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

constexpr auto profiles = {sandbox_profile::strict, sandbox_profile::standard};

pool_options shut_in(sandbox_policy policy) {
  pool_options options;
  options.workers = 1;
  options.task_timeout = 60s;
  options.sandbox = tests::with_sanitizer_calls(std::move(policy));
  return options;
}

int no_work() { return 7; }

template <class... Arguments>
failure failure_of(pool& p, auto task, const Arguments&... arguments) {
  try {
    p.submit(task, arguments...).get();
  } catch (const error& e) {
    return e.info();
  }
  return {};
}

/// Touches memory until there is no more.
std::size_t eats_memory() {
  constexpr std::size_t piece = std::size_t{16} << 20;
  static auto& kept = *new std::vector<std::vector<char>>;
  for (;;)
    kept.emplace_back(piece, 'x');
}

/// errno of the last, and how many there were.
std::pair<int, int> opens_many() {
  for (int count = 0;; ++count)
    if (::open("/dev/null", O_RDONLY | O_CLOEXEC) < 0)
      return {errno, count};
}

std::pair<int, int> starts_many_threads(int most) {
  pthread_attr_t small;
  pthread_attr_init(&small);
  pthread_attr_setstacksize(&small, 64 * 1024);
  for (int count = 0; count < most; ++count) {
    pthread_t thread;
    const auto forever = [](void*) -> void* {
      for (;;)
        ::pause();
    };
    if (const int error = pthread_create(&thread, &small, forever, nullptr); error != 0)
      return {error, count};
  }
  return {0, most};
}

int fills_disk(std::string file) {
  const int fd = ::open(file.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  const std::array<char, 65536> piece{};
  while (::write(fd, piece.data(), piece.size()) > 0)
    continue;
  return errno;
}

void prints_much_and_dies() {
  const std::string line(1023, 'x');
  for (int i = 0; i < 4096; ++i)
    std::fprintf(stderr, "%s\n", line.c_str());
  ::raise(SIGKILL);
}

void spins() {
  for (std::atomic<int> x{0};;)
    x.store(1, std::memory_order_relaxed); // relaxed: it is there to be done
}

/// errno of an open, 0: it worked.
int opens(std::string path, int flags) {
  const int fd = ::open(path.c_str(), flags | O_CLOEXEC, 0600);
  if (fd < 0)
    return errno;
  ::close(fd);
  return 0;
}

int makes_with_mode(std::string path, int mode) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, mode);
  if (fd < 0)
    return errno;
  ::close(fd);
  return 0;
}

int makes_node_with_mode(std::string path, int mode) {
  return ::mknod(path.c_str(), S_IFREG | static_cast<mode_t>(mode), 0) == 0 ? 0 : errno;
}

int makes_by_structure(std::string path, int mode) {
  open_how how{};
  how.flags = O_WRONLY | O_CREAT;
  how.mode = static_cast<std::uint64_t>(mode);
  return ::syscall(SYS_openat2, AT_FDCWD, path.c_str(), &how, sizeof how) < 0 ? errno : 0;
}

int opens_by_link(std::string to, std::string link) {
  if (::symlink(to.c_str(), link.c_str()) != 0)
    return errno;
  return opens(link, O_RDONLY);
}

int links_hard(std::string to, std::string link) {
  return ::link(to.c_str(), link.c_str()) == 0 ? 0 : errno;
}

int moves_in(std::string from, std::string to) {
  return ::rename(from.c_str(), to.c_str()) == 0 ? 0 : errno;
}

/// Opens for reading what it may, and then for writing by its descriptor.
int opens_again_by_descriptor(std::string readable) {
  const int fd = ::open(readable.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return errno;
  const int result = opens("/proc/self/fd/" + std::to_string(fd), O_RDWR);
  ::close(fd);
  return result;
}

/// Swaps a file of its own and a link to the secret while it opens their name. How often the secret
/// was open.
int races(std::string folder, std::string secret) {
  const auto name = folder + "/raced";
  const auto file = folder + "/file";
  const auto link = folder + "/link";
  std::atomic<bool> stop{false};
  std::thread swapper{[&] {
    while (!stop.load()) {
      opens(file, O_WRONLY | O_CREAT);
      ::rename(file.c_str(), name.c_str());
      [[maybe_unused]] const int made = ::symlink(secret.c_str(), link.c_str());
      ::rename(link.c_str(), name.c_str());
    }
  }};
  struct stat wanted {};
  ::stat(secret.c_str(), &wanted);
  int reached = 0;
  for (int i = 0; i < 20'000; ++i) {
    const int fd = ::open(name.c_str(), O_RDONLY | O_CLOEXEC);
    struct stat got {};
    if (fd >= 0 && ::fstat(fd, &got) == 0 && got.st_ino == wanted.st_ino)
      ++reached;
    ::close(fd);
  }
  stop.store(true);
  swapper.join();
  return reached;
}

} // namespace

TEST_CASE("who eats memory, or time, costs its own task, and a bystander goes on") {
  tests::leak_guard guard;
  pool bystander{{.workers = 1}};
  for (const auto profile : profiles) {
    auto options = shut_in({.base = profile});
    options.max_memory_per_worker = std::size_t{256} << 20;
    options.task_timeout = 2s;
    options.grace = 1ms;
    pool p{options};
    CHECK(failure_of(p, eats_memory).exit.cause == exit_cause::memory_limit);
    CHECK(failure_of(p, spins).exit.cause == exit_cause::timed_out);
    CHECK(p.apply(no_work) == 7);
    CHECK(bystander.apply(no_work) == 7);
  }
  CHECK(bystander.stats().restarts == 0);
}

TEST_CASE("who opens all that it can finds its own limit") {
  tests::leak_guard guard;
  auto options = shut_in({.base = sandbox_profile::standard});
  options.limits.open_files = 64;
  pool p{options};
  const auto [error, count] = p.apply(opens_many);
  CHECK(error == EMFILE);
  CHECK(count < 64);
}

TEST_CASE("who starts threads without end finds its own limit, or may start none") {
  tests::leak_guard guard;
  pool strict{shut_in({.base = sandbox_profile::strict})};
  CHECK(failure_of(strict, starts_many_threads, 1).exit.cause == exit_cause::policy_violation);
#ifndef __SANITIZE_ADDRESS__ // whose threads need files that another user cannot open
  if (::getuid() != 0)
    return; // the limit counts all processes of a user: it needs one of its own
  auto options = shut_in({.base = sandbox_profile::standard, .first_user = 1'000'000});
  options.limits.processes = 64;
  pool standard{options};
  const auto [error, count] = standard.apply(starts_many_threads, 10'000);
  CHECK(error == EAGAIN);
  CHECK(count < 64);
#endif
}

TEST_CASE("who fills the disk ends where its file may not grow") {
  tests::leak_guard guard;
  for (const auto profile : profiles) {
    testing::temporary_folder folder;
    auto options = shut_in({.base = profile, .write = {folder.path().string()}});
    options.limits.file_size = std::size_t{1} << 20;
    pool p{options};
    const auto file = folder.path() / "large";
    CHECK(failure_of(p, fills_disk, file.string()).exit.signal == SIGXFSZ);
    CHECK(fs::file_size(file) == std::size_t{1} << 20);
    CHECK(p.apply(no_work) == 7);
  }
}

TEST_CASE("who prints without end leaves a bounded tail, and nothing on the terminal") {
  tests::leak_guard guard;
  auto options = shut_in({.base = sandbox_profile::strict});
  options.output = output_mode::capture;
  pool p{options};
  const auto f = failure_of(p, prints_much_and_dies);
  CHECK(f.kind == failure_kind::worker_died);
  CHECK_FALSE(f.last_output.empty());
  CHECK(f.last_output.size() <= 16 * 1024);
}

TEST_CASE("links, names and descriptors of folders that it may use lead to no other file") {
  tests::leak_guard guard;
  testing::temporary_folder own;
  testing::temporary_folder other;
  const auto mine = fs::canonical(own.path());
  const auto secret = fs::canonical(other.path()) / "secret";
  std::ofstream{secret} << "secret";
  std::ofstream{mine / "text"} << "text";
  std::ofstream{mine / "hard"} << "x";
  for (const auto profile : profiles) {
    pool p{shut_in({.base = profile,
                    .read = {mine.string()},
                    .write = {mine.string()},
                    .threads = profile == sandbox_profile::strict})};
    CHECK(p.apply(opens, (mine / "text").string(), O_RDWR) == 0);
    const auto link = (mine / ("link" + std::to_string(int(profile)))).string();
    CHECK(p.apply(opens_by_link, secret.string(), link) == EACCES);
    CHECK(p.apply(opens, mine.string() + "/../" + other.path().filename().string() + "/secret",
                  O_RDONLY)
          == EACCES);
    CHECK(p.apply(links_hard, secret.string(), (mine / "hard2").string()) != 0);
    CHECK(p.apply(moves_in, secret.string(), (mine / "moved").string()) != 0);
    CHECK(p.apply(races, mine.string(), secret.string()) == 0);
    fs::remove(mine / "raced");
    CHECK(p.stats().restarts == 0);
  }
  CHECK(fs::file_size(secret) == 6);
}

TEST_CASE("who may make files makes none with rights of its user for others") {
  tests::leak_guard guard;
  for (const auto profile : profiles) {
    testing::temporary_folder folder;
    const auto at = [&](const char* name) { return (folder.path() / name).string(); };
    pool p{shut_in({.base = profile, .write = {folder.path().string()}})};
    CHECK(p.apply(makes_with_mode, at("plain"), 0755) == 0);
    for (const int mode : {04755, 02755, 06777}) {
      CHECK(p.apply(makes_with_mode, at("setuid"), mode) == EPERM);
      CHECK(p.apply(makes_node_with_mode, at("setuid"), mode) == EPERM);
    }
    CHECK(p.apply(makes_by_structure, at("setuid"), 04755) == ENOSYS);
    CHECK_FALSE(fs::exists(folder.path() / "setuid"));
  }
}

TEST_CASE("what may be read cannot be opened for writing by its descriptor") {
  tests::leak_guard guard;
  testing::temporary_folder folder;
  const auto text = fs::canonical(folder.path()) / "text";
  std::ofstream{text} << "text";
  for (const auto profile : profiles) {
    pool p{shut_in({.base = profile, .read = {text.string(), "/proc/self"}})};
    CHECK(p.apply(opens, text.string(), O_RDONLY) == 0);
    CHECK(p.apply(opens_again_by_descriptor, text.string()) == EACCES);
  }
}

TEST_CASE("without a sandbox the secret is reached: the race can be lost") {
  tests::leak_guard guard;
  testing::temporary_folder own;
  const auto secret = own.path() / "secret";
  std::ofstream{secret} << "secret";
  pool plain{{.workers = 1}};
  CHECK(plain.apply(races, own.path().string(), secret.string()) > 0);
}
