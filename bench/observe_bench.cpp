// What looking on costs a pool, one JSON line each: its throughput as a share of that of a pool
// nobody looks at, interleaved, the median of all rounds:
//   observe_bench [ROUNDS]
// "share" is by the clock, which a busy machine disturbs; "share by CPU" is what follows from the
// processor time of the host, readers included, where tasks and host have all processors.
// "model": a watch alone. "all": page with a browser's stream, metrics, top and a time line at
// once. Tasks of about 350 us on two workers are 5,000 and more events a second; short ones show
// the worst case.

#include <bulkhead/bulkhead.hpp>
#include <bulkhead/observe.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

using namespace std::chrono_literals;
using bulkhead::pool;
using clock_type = std::chrono::steady_clock;

namespace {

int work(int us) {
  const auto until = clock_type::now() + std::chrono::microseconds{us};
  int turns = 0;
  while (clock_type::now() < until)
    ++turns;
  return turns;
}

/// Sends a request and reads until the other end closes, or `stop`.
std::size_t converse(int fd, const sockaddr* to, socklen_t size, const std::string& request,
                     const std::atomic<bool>& stop) {
  std::size_t bytes = 0;
  const timeval patience{0, 200'000};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  if (fd >= 0 && ::connect(fd, to, size) == 0
      && ::send(fd, request.data(), request.size(), MSG_NOSIGNAL) > 0) {
    std::array<char, 65536> piece{};
    while (!stop.load(std::memory_order_relaxed)) { // relaxed: nothing else is read on its word
      const auto got = ::recv(fd, piece.data(), piece.size(), 0);
      if (got == 0)
        break;
      bytes += got > 0 ? static_cast<std::size_t>(got) : 0;
    }
  }
  ::close(fd);
  return bytes;
}

std::size_t get(const std::string& url, const std::string& path, const std::atomic<bool>& stop) {
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_port = htons(static_cast<std::uint16_t>(std::stoi(url.substr(url.rfind(':') + 1))));
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return converse(
    ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), reinterpret_cast<const sockaddr*>(&at),
    sizeof at, "GET " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", stop);
}

/// What `bulkhead top` asks for, each second.
std::size_t look(const std::atomic<bool>& stop) {
  const auto name = "bulkhead-" + std::to_string(::getuid()) + '-' + std::to_string(::getpid());
  sockaddr_un at{};
  at.sun_family = AF_UNIX;
  std::copy(name.begin(), name.end(), at.sun_path + 1);
  return converse(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0),
                  reinterpret_cast<const sockaddr*>(&at),
                  static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size()),
                  "snapshot 18446744073709551615 0 0\n", stop);
}

/// Page, metrics, top and time line of a pool, each with somebody who reads it.
class audience {
public:
  explicit audience(const pool& of)
    : page_(of), open_(of), line_(of, file_),
      stream_([this] { get(page_.url(), "/api/events", stop_); }), polls_([this] { poll(); }) {}
  ~audience() {
    stop_.store(true, std::memory_order_relaxed); // joined below
    stream_.join();
    polls_.join();
    std::error_code ignored;
    line_.finish();
    std::filesystem::remove(file_, ignored);
  }

private:
  void poll() {
    while (!stop_.load(std::memory_order_relaxed)) { // a second more or less does not matter
      get(page_.url(), "/metrics", stop_);
      look(stop_);
      for (int i = 0; i < 10 && !stop_.load(std::memory_order_relaxed); ++i) // as above
        std::this_thread::sleep_for(100ms);
    }
  }

  const std::filesystem::path file_ =
    std::filesystem::temp_directory_path() / ("observe_bench." + std::to_string(::getpid()));
  std::atomic<bool> stop_{false};
  bulkhead::observe::web_page page_;
  bulkhead::observe::attachable open_;
  bulkhead::observe::trace line_;
  std::thread stream_;
  std::thread polls_;
};

enum class looking { nobody, model, all };

double resident_mib() {
  std::ifstream in("/proc/self/statm");
  std::size_t pages = 0;
  in >> pages >> pages;
  return static_cast<double>(pages) * static_cast<double>(::sysconf(_SC_PAGESIZE)) / 1048576;
}

struct kind_of_work {
  const char* name;
  int us;
  std::size_t tasks;
  std::size_t chunk;
};

double own_cpu_us() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  return 1e6 * static_cast<double>(used.ru_utime.tv_sec + used.ru_stime.tv_sec)
         + static_cast<double>(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
}

struct pace {
  double tasks_a_second;
  double host_us; ///< processor time of this process for each task
};

pace measure_once(looking who, const kind_of_work& what) {
  pool p{{.workers = 2}};
  std::unique_ptr<bulkhead::observe::watch> model;
  std::unique_ptr<audience> all;
  if (who == looking::model)
    model = std::make_unique<bulkhead::observe::watch>(p);
  if (who == looking::all)
    all = std::make_unique<audience>(p);
  const std::vector<int> inputs(what.tasks, what.us);
  p.map(work, std::vector<int>(what.tasks / 10, what.us), {.chunk = what.chunk});
  const auto began = clock_type::now();
  const auto cpu = own_cpu_us();
  p.map(work, inputs, {.chunk = what.chunk});
  const auto tasks = static_cast<double>(what.tasks);
  return {tasks / std::chrono::duration<double>(clock_type::now() - began).count(),
          (own_cpu_us() - cpu) / tasks};
}

double median(std::vector<double> samples) {
  std::sort(samples.begin(), samples.end());
  return samples[samples.size() / 2];
}

void print(const char* what, const std::string& metric, double value, const char* unit) {
  std::printf("{\"what\":\"observe %s\",\"metric\":\"%s\",\"value\":%.4g,\"unit\":\"%s\"}\n", what,
              metric.c_str(), value, unit);
}

void measure(const kind_of_work& what, int rounds) {
  std::vector<double> rate;
  std::vector<double> model;
  std::vector<double> all;
  std::vector<double> model_cpu;
  std::vector<double> all_cpu;
  const auto by_cpu = [&](const pace& with, const pace& a, const pace& b) {
    return (what.us + (a.host_us + b.host_us) / 2) / (what.us + with.host_us);
  };
  for (int round = 0; round < rounds; ++round) {
    // Each between two of nobody, so that both meet the same machine.
    const auto before = measure_once(looking::nobody, what);
    const auto with_model = measure_once(looking::model, what);
    const auto between = measure_once(looking::nobody, what);
    const auto with_all = measure_once(looking::all, what);
    const auto after = measure_once(looking::nobody, what);
    rate.push_back(between.tasks_a_second);
    model.push_back(2 * with_model.tasks_a_second
                    / (before.tasks_a_second + between.tasks_a_second));
    all.push_back(2 * with_all.tasks_a_second / (between.tasks_a_second + after.tasks_a_second));
    model_cpu.push_back(by_cpu(with_model, before, between));
    all_cpu.push_back(by_cpu(with_all, between, after));
  }
  print("nobody", std::string(what.name) + " rate", median(rate), "tasks/s");
  print("model", std::string(what.name) + " share", median(model), "of 1");
  print("all", std::string(what.name) + " share", median(all), "of 1");
  if (what.us == 0)
    return; // all of it is the host's
  print("model", std::string(what.name) + " share by CPU", median(model_cpu), "of 1");
  print("all", std::string(what.name) + " share by CPU", median(all_cpu), "of 1");
}

/// How much the host grows under a whole audience, after it has seen many tasks and as many again.
void measure_memory() {
  pool p{{.workers = 2}};
  const audience all(p);
  const std::vector<int> inputs(20'000, 0);
  for (int i = 0; i < 5; ++i)
    p.map(work, inputs, {.chunk = 1});
  const auto before = resident_mib();
  for (int i = 0; i < 5; ++i)
    p.map(work, inputs, {.chunk = 1});
  print("all", "growth in 100000 tasks", resident_mib() - before, "MiB");
}

} // namespace

int main(int argc, char** argv) {
  bulkhead::init(argc, argv);
  const int rounds = argc > 1 ? std::max(1, std::atoi(argv[1])) : 9;
  measure({"350 us", 350, 6'000, 1}, rounds);
  measure({"0 us", 0, 40'000, 1}, rounds);
  measure({"0 us in chunks", 0, 400'000, 0}, rounds);
  measure_memory();
}
