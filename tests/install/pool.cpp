// The contract's table "Pool", row by row.
#include <bulkhead/bulkhead.hpp>

#include "expect.hpp"

#include <chrono>
#include <cstdlib>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <unistd.h>

using namespace std::chrono_literals;

namespace {

int square(int x) { return x * x; }

void calls(bulkhead::pool& pool) {
  bulkhead::future<int> submitted = pool.submit(square, 20);
  EXPECT(submitted.get() == 400);
  std::optional<bulkhead::future<int>> tried = pool.try_submit(square, 3);
  EXPECT(tried && tried->get() == 9);
  const int applied = pool.apply(square, 4);
  EXPECT(applied == 16);
  EXPECT(pool.apply(getpid) != getpid());
  EXPECT(pool.with({.timeout = 10s, .retries = 1, .priority = 2}).apply(square, 5) == 25);
  const std::vector<pid_t> pids = pool.broadcast(getpid);
  EXPECT(pids.size() == 2 && pids[0] != pids[1]);
}

void maps(bulkhead::pool& pool) {
  const std::vector<int> numbers{1, 2, 3};
  const std::vector<int> squares{1, 4, 9};
  EXPECT(pool.map(square, numbers) == squares);
  EXPECT(pool.map(square, {1, 2, 3}, {.chunk = 2}) == squares);
  EXPECT(pool.map_async(square, numbers).get() == squares);
  const auto add = [](int x, int y) { return x + y; };
  EXPECT(pool.starmap(add, std::vector{std::tuple{1, 2}, {3, 4}}) == (std::vector{3, 7}));
  EXPECT(pool.starmap_async(add, std::vector{std::pair{1, 2}}).get() == std::vector{3});
  pool.for_each(square, numbers);
  std::vector<int> lazy;
  for (int x : pool.imap(square, numbers))
    lazy.push_back(x);
  EXPECT(lazy == squares);
  int sum = 0;
  for (int x : pool.imap_unordered(square, numbers, {.buffersize = 2}))
    sum += x;
  EXPECT(sum == 14);
}

void a_failure_is_a_value(bulkhead::pool& pool) {
  const auto outcomes = pool.try_map([](int x) { return x == 2 ? throw x : x; }, {1, 2, 3});
  EXPECT(outcomes.size() == 3 && outcomes[0].value() == 1 && outcomes[2].value() == 3);
  EXPECT(outcomes[1].failure().kind == bulkhead::failure_kind::task_exception);
}

void views(bulkhead::pool& pool) {
  const std::vector<bulkhead::worker_info> workers = pool.workers();
  EXPECT(workers.size() == 2 && workers[0].pid > 0 && workers[0].id != workers[1].id);
  const bulkhead::pool_stats stats = pool.stats();
  EXPECT(stats.submitted == stats.succeeded + stats.failed + stats.cancelled);
  EXPECT(!pool.isolation().empty());
  EXPECT(pool.completion_fd() >= 0);
  EXPECT(pool.room_fd() >= 0);
  EXPECT(pool.last_output(0).empty());
  EXPECT(pool.stats().hedged == 0);
  pool.submit(square, 2).wait();
  pool.completions();
  pool.resize(3);
  pool.resize(2);
}

void ends(bulkhead::pool pool) {
  pool.close();
  EXPECT_THROW(pool.submit(square, 1), bulkhead::pool_closed,
               caught.info().kind == bulkhead::failure_kind::pool_closed);
  EXPECT(pool.join(30s));
  pool.join();
  pool.terminate();
}

} // namespace

int main(int argc, char** argv) {
  bulkhead::init(argc, argv);
  EXPECT(bulkhead::available_parallelism() > 0);
  EXPECT(!std::string(bulkhead::version()).empty());
  bulkhead::pool pool({.workers = 2, .name = "install"});
  EXPECT(!bulkhead::this_worker::active());
  EXPECT(pool.apply([] { return bulkhead::this_worker::active(); }));
  calls(pool);
  maps(pool);
  a_failure_is_a_value(pool);
  views(pool);
  ends(std::move(pool));
}
