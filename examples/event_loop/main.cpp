// A poll loop that serves its own timer and a pool's tasks side by side, in one thread.

#include <bulkhead/bulkhead.hpp>

#include <poll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <cstdint>
#include <iostream>
#include <map>
#include <string>

/// The work of a request: the sum of the divisors, found the slow way.
std::uint64_t divisor_sum(std::uint64_t n) {
  std::uint64_t sum = 0;
  for (std::uint64_t i = 1; i <= n; ++i)
    if (n % i == 0)
      sum += i;
  return sum;
}

/// Requests that wait for their answers, by the number of their task.
class request_table {
public:
  void submit(bulkhead::pool& pool, std::uint64_t n) {
    auto answer = pool.submit(divisor_sum, n);
    waiting_.emplace(answer.id(), request{n, answer});
  }

  void take(std::uint64_t task) {
    const auto found = waiting_.find(task);
    std::cout << "divisors of " << found->second.n << " sum up to " << found->second.answer.get()
              << std::endl;
    waiting_.erase(found);
  }

  bool empty() const { return waiting_.empty(); }

private:
  struct request {
    std::uint64_t n;
    bulkhead::future<std::uint64_t> answer;
  };
  std::map<std::uint64_t, request> waiting_;
};

/// A descriptor that becomes readable each 10 ms.
int make_timer() {
  const int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
  const itimerspec every{{0, 10'000'000}, {0, 10'000'000}};
  timerfd_settime(timer, 0, &every, nullptr);
  return timer;
}

/// How often the timer went off since the last call.
std::uint64_t ticks_of(int timer) {
  std::uint64_t ticks = 0;
  return read(timer, &ticks, sizeof ticks) > 0 ? ticks : 0;
}

int main(int argc, char** argv) {
  bulkhead::init(argc, argv);
  bulkhead::pool pool({.workers = 2});
  const int timer = make_timer();
  pollfd sources[] = {{pool.completion_fd(), POLLIN, 0}, {timer, POLLIN, 0}};

  request_table requests;
  for (const std::uint64_t n : {6, 28, 496, 8'128, 33'550'336})
    requests.submit(pool, n);

  std::uint64_t ticks = 0;
  while (!requests.empty()) {
    poll(sources, 2, -1);
    ticks += ticks_of(timer);
    for (const auto task : pool.completions())
      requests.take(task);
  }
  std::cout << "the loop was never blocked: the timer ticked " << ticks << " times beside it"
            << std::endl;
  close(timer);
}
