// ctest-label: fault
#include "tests/support/launching.hpp"

#include "runtime/process/worker_start.hpp"
#include "tests/support/leak_guard.hpp"

#include <bulkhead/error.hpp>

#include <doctest/doctest.h>

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <numeric>
#include <sstream>

using namespace bulkhead::tests;
using namespace bulkhead::runtime;
using bulkhead::start_method;

namespace {

constexpr std::array methods{start_method::forkserver, start_method::spawn};

void say(const worker_start& worker, const std::string& text) {
  [[maybe_unused]] const auto count = ::write(worker.fds.at(0).get(), text.data(), text.size());
}

std::string first_line(const std::string& path) {
  std::ifstream file{path};
  std::string line;
  std::getline(file, line);
  return line;
}

/// Runs `entry` with the write end of a pipe as its only descriptor; what it wrote.
std::string output_of(worker_entry entry, start_method method, worker_setup setup = {}) {
  pipe_ends pipe;
  auto request = request_for(entry, {pipe.write.get()});
  request.method = method;
  request.setup = setup;
  auto worker = start(request);
  pipe.write.reset();
  auto text = read_all(pipe.read.get());
  const auto exit = worker.wait();
  CHECK(exit.start_error == "");
  CHECK(exit.code == 0);
  CHECK(exit.signal == 0);
  return text;
}

std::string signals_text() {
  std::ostringstream text;
  sigset_t mask;
  pthread_sigmask(SIG_SETMASK, nullptr, &mask);
  for (int signal = 1; signal < SIGRTMAX; ++signal) {
    struct sigaction now {};
    if (::sigaction(signal, nullptr, &now) != 0)
      continue;
    if (now.sa_handler == SIG_IGN)
      text << " ignored:" << signal;
    else if (now.sa_handler != SIG_DFL)
      text << " handled:" << signal;
    if (sigismember(&mask, signal) == 1)
      text << " blocked:" << signal;
  }
  return text.str();
}

void tell_signals(worker_start& worker) { say(worker, signals_text()); }

void tell_identity(worker_start& worker) {
  std::array<char, 16> name{};
  ::prctl(PR_GET_NAME, name.data());
  std::ostringstream text;
  text << name.data() << " group:" << (::getpgrp() == ::getpid())
       << " main:" << (::gettid() == ::getpid())
       << " no_new_privs:" << ::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);
  int subreaper = 0;
  ::prctl(PR_GET_CHILD_SUBREAPER, &subreaper);
  text << " subreaper:" << subreaper;
  say(worker, text.str());
}

void tell_descriptors(worker_start& worker) {
  std::vector<std::string> found;
  for (const auto& entry : std::filesystem::directory_iterator{"/proc/self/fd"}) {
    std::error_code error;
    auto target = std::filesystem::read_symlink(entry.path(), error).string();
    if (!error && target.find("/proc/") == std::string::npos)
      found.push_back(target.substr(0, target.find(":[")));
  }
  std::ranges::sort(found);
  std::string text;
  for (const auto& each : found)
    text += (text.empty() ? "" : " ") + each;
  say(worker, text);
}

void tell_limits(worker_start& worker) {
  std::ostringstream text;
  for (const auto which : {RLIMIT_CORE, RLIMIT_AS, RLIMIT_CPU, RLIMIT_NOFILE, RLIMIT_FSIZE}) {
    rlimit limit{};
    ::getrlimit(which, &limit);
    text << (limit.rlim_cur == RLIM_INFINITY ? -1 : static_cast<long>(limit.rlim_cur)) << ' ';
  }
  text << ::getpriority(PRIO_PROCESS, 0) << ' ' << first_line("/proc/self/oom_score_adj");
  cpu_set_t cpus;
  ::sched_getaffinity(0, sizeof cpus, &cpus);
  text << ' ' << CPU_COUNT(&cpus);
  say(worker, text.str());
}

void tell_start_sum(worker_start& worker) {
  std::uint64_t sum = 0;
  for (const auto byte : worker.start)
    sum += std::to_integer<std::uint64_t>(byte);
  say(worker, std::to_string(worker.start.size()) + " " + std::to_string(sum));
}

void tell_each(worker_start& worker) {
  for (std::size_t n = 0; n < worker.fds.size(); ++n)
    tell(worker.fds[n].get(), n);
}

void print_both(worker_start&) {
  std::printf("to stdout");
  std::fprintf(stderr, "to stderr");
}

void never(worker_start& worker) { worker.exit_code = 99; }

void dump_core(worker_start&) { std::abort(); }

// A recursive mutex compares glibc's thread id, which a raw clone would leave stale.
void tell_mutex_works(worker_start& worker) {
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ERRORCHECK);
  pthread_mutex_t mutex;
  pthread_mutex_init(&mutex, &attributes);
  pthread_mutex_lock(&mutex);
  say(worker, std::to_string(pthread_mutex_lock(&mutex) == EDEADLK) + " owner "
                + std::to_string(mutex.__data.__owner == ::gettid()));
}

std::string digits_after(const std::string& text, const char* mark) {
  const auto at = text.find(mark);
  return at == std::string::npos ? "" : text.substr(at);
}

bool holds(const std::vector<bulkhead::isolation_feature>& features, const std::string& name) {
  return std::ranges::any_of(features, [&](auto& f) { return f.name == name && f.active; });
}

} // namespace

TEST_CASE("a worker starts with default signals, but ignores SIGINT and the terminal's stops") {
  const leak_guard guard;
  ::signal(SIGUSR1, SIG_IGN);
  ::signal(SIGUSR2, [](int) {});
  for (const auto method : methods)
    CHECK(output_of(tell_signals, method)
          == " ignored:" + std::to_string(SIGINT) + " ignored:" + std::to_string(SIGTTIN)
               + " ignored:" + std::to_string(SIGTTOU));
  ::signal(SIGUSR1, SIG_DFL);
  ::signal(SIGUSR2, SIG_DFL);
}

TEST_CASE("a worker leads its own process group, cannot gain privileges, and adopts its orphans") {
  const leak_guard guard;
  for (const auto method : methods)
    CHECK(output_of(tell_identity, method)
          == "bulkhead-w group:1 main:1 no_new_privs:1 subreaper:1");
}

TEST_CASE("a worker has the descriptors it was given and no others") {
  const leak_guard guard;
  const unique_fd stranger{::open("/etc/passwd", O_RDONLY)}; // not even close-on-exec
  for (const auto method : methods) {
    const auto text = output_of(tell_descriptors, method);
    CHECK(text.find("passwd") == std::string::npos);
    CHECK(text.find("/dev/null") != std::string::npos); // stdin
    std::istringstream words{text};
    std::size_t sockets = 0;
    std::size_t pipes = 0;
    for (std::string word; words >> word;) {
      sockets += word == "socket";
      pipes += word == "pipe";
    }
    CHECK(sockets == 1); // the control socket
    CHECK(pipes >= 1);   // ours; stdout and stderr of the test may be pipes too
    CHECK(pipes <= 3);
  }
}

TEST_CASE("limits, niceness, affinity and the score of the out-of-memory killer are as asked") {
  const leak_guard guard;
  worker_setup setup;
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) // their maps are larger
  setup.address_space = std::uint64_t{1} << 40;
#endif
  setup.cpu_seconds = 77;
  setup.open_files = 64;
  setup.file_size = 1'000'000;
  setup.nice = 3;
  cpu_set_t mine;
  ::sched_getaffinity(0, sizeof mine, &mine);
  for (unsigned cpu = 0; !setup.wants_affinity(); ++cpu)
    if (CPU_ISSET(cpu, &mine))
      CPU_SET(cpu, &setup.affinity);
  const auto base = std::stoi(first_line("/proc/self/oom_score_adj"));
  const auto score = std::to_string(std::min(1000, base + 400));
  const auto nice = std::to_string(std::min(19, ::getpriority(PRIO_PROCESS, 0) + 3));
  const auto address_space = std::to_string(static_cast<std::int64_t>(setup.address_space));
  for (const auto method : methods)
    CHECK(output_of(tell_limits, method, setup)
          == "0 " + address_space + " 77 64 1000000 " + nice + " " + score + " 1");
}

TEST_CASE("a limit that cannot be set ends the start with its name, value and reason") {
  const leak_guard guard;
  worker_setup setup;
  setup.open_files = std::uint64_t{1} << 50; // above fs.nr_open even for root
  for (const auto method : methods) {
    auto request = request_for(never);
    request.method = method;
    request.setup = setup;
    const auto exit = start(request).wait();
    CHECK(exit.known);
    CHECK(exit.code == exit_start_failed);
    CHECK_FALSE(exit.started);
    CHECK(digits_after(exit.start_error, "setrlimit(RLIMIT_NOFILE) to 1125899906842624: Operation")
          != "");
  }
}

TEST_CASE("start data of every size arrives, and more than the limit is refused") {
  const leak_guard guard;
  for (const auto method : methods)
    for (const std::size_t bytes : {std::size_t{0}, std::size_t{1}, std::size_t{32 * 1024},
                                    std::size_t{32 * 1024 + 1}, std::size_t{1} << 20}) {
      pipe_ends pipe;
      auto request = request_for(tell_start_sum, {pipe.write.get()});
      request.method = method;
      request.start.assign(bytes, std::byte{3});
      auto worker = start(request);
      pipe.write.reset();
      CHECK(read_all(pipe.read.get()) == std::to_string(bytes) + " " + std::to_string(bytes * 3));
      worker.wait();
    }
  auto request = request_for(never);
  request.start.resize((std::size_t{256} << 20) + 1);
  CHECK_THROWS_AS(start(request), bulkhead::config_error);
}

TEST_CASE("240 descriptors arrive in their order, one more is refused") {
  const leak_guard guard;
  for (const auto method : methods) {
    std::vector<pipe_ends> pipes(240);
    auto request = request_for(tell_each);
    request.method = method;
    for (const auto& pipe : pipes)
      request.fds.push_back(pipe.write.get());
    auto worker = start(request);
    for (std::size_t n = 0; n < pipes.size(); ++n)
      REQUIRE(hear<std::size_t>(pipes[n].read.get()) == n);
    worker.wait();
    request.fds.push_back(pipes.front().write.get());
    CHECK_THROWS_AS(start(request), bulkhead::config_error);
  }
}

TEST_CASE("output goes where it was asked to go, and is flushed when the entry returns") {
  const leak_guard guard;
  for (const auto method : methods) {
    pipe_ends out;
    pipe_ends err;
    auto request = request_for(print_both);
    request.method = method;
    request.stdout_fd = out.write.get();
    request.stderr_fd = err.write.get();
    auto worker = start(request);
    out.write.reset();
    err.write.reset();
    CHECK(read_all(out.read.get()) == "to stdout");
    CHECK(read_all(err.read.get()) == "to stderr");
    worker.wait();
  }
}

TEST_CASE("an abort writes no core") {
  const leak_guard guard;
  const auto exit = start(dump_core).wait();
  CHECK(exit.signal == SIGABRT);
  CHECK_FALSE(exit.core);
  CHECK(exit.started);
}

TEST_CASE("mutexes of a worker know its thread") {
  const leak_guard guard;
  for (const auto method : methods)
    CHECK(output_of(tell_mutex_works, method) == "1 owner 1");
}

TEST_CASE("the isolation report says what the clean start did") {
  const leak_guard guard;
  pipe_ends pipe;
  auto worker = start(tell_signals, {pipe.write.get()});
  pipe.write.reset();
  read_all(pipe.read.get());
  worker.exit.wait();
  const auto features = worker.process->isolation();
  for (const char* name :
       {"own_address_space", "own_process_group", "signals_reset", "stdin_null",
        "descriptors_closed", "core_size", "no_new_privileges", "descendants_killed"})
    CHECK_MESSAGE(holds(features, name), name);
  for (const auto& feature : features) {
    CHECK((feature.active || !feature.why_not.empty()));
    CHECK((!feature.active || feature.requested));
  }
}

TEST_CASE("options that cannot exist are refused with their value") {
  CHECK_THROWS_WITH_AS(worker_setup::from({}, {}, 20), "nice: 20 is not within 0 and 19",
                       bulkhead::config_error);
  CHECK_THROWS_WITH_AS(worker_setup::from({}, {-1}, 0), "affinity: there is no CPU -1",
                       bulkhead::config_error);
  auto request = request_for(never);
  request.method = start_method::thread;
  CHECK_THROWS_AS(start(request), bulkhead::config_error);
}
