// The contract's list "Results", name by name.
#include <bulkhead/bulkhead.hpp>

#include "expect.hpp"

#include <chrono>
#include <csignal>
#include <future>
#include <stdexcept>
#include <string>
#include <vector>

#include <unistd.h>

using namespace std::chrono_literals;
using bulkhead::failure_kind;

namespace {

void futures(bulkhead::pool& pool) {
  bulkhead::future<std::string> empty;
  EXPECT(!empty.valid());
  auto future = pool.submit([](const std::string& s) { return s + s; }, std::string("ab"));
  EXPECT(future.wait(30s) && future.ready() && future.successful());
  const std::string& first = future.get();
  EXPECT(first == "abab" && future.get(1s) == "abab");
  auto copy = future;
  EXPECT(&copy.get() == &first && !copy.cancel() && !copy.cancel(true));
  EXPECT(std::move(future).get() == "abab");
  bulkhead::future<void> nothing = pool.submit([] {});
  nothing.get();
  std::promise<bool> called;
  nothing.on_ready([&](const bulkhead::outcome<void>& o) { called.set_value(o.has_value()); });
  EXPECT(called.get_future().get());
}

void waits(bulkhead::pool& pool) {
  auto endless = pool.submit([] { pause(); });
  EXPECT_THROW(endless.get(10ms), bulkhead::timeout_error, !endless.ready());
  std::vector<bulkhead::future<int>> several;
  for (int i = 0; i < 3; ++i)
    several.push_back(pool.submit([](int x) { return x; }, i));
  EXPECT(bulkhead::wait_any(several, 30s).has_value());
  EXPECT(bulkhead::wait_all(several, 30s));
  int sum = 0;
  for (auto future : bulkhead::as_completed(several))
    sum += future.get();
  EXPECT(sum == 3);
  endless.cancel(true);
  EXPECT(endless.wait(30s) && !endless.successful());
}

void a_thrown_exception(bulkhead::pool& pool) {
  const auto thrower = [] { throw std::out_of_range("too far"); };
  EXPECT_THROW(pool.apply(thrower), bulkhead::task_error,
               caught.info().type == "std::out_of_range"
                 && caught.info().message.find("too far") != std::string::npos);
}

void a_dead_worker(bulkhead::pool& pool) {
  EXPECT_THROW(pool.apply([] { raise(SIGKILL); }), bulkhead::worker_died,
               caught.info().kind == failure_kind::worker_died
                 && caught.info().exit.signal == SIGKILL && caught.info().exit.code == 0
                 && caught.info().exit.cause == bulkhead::exit_cause::killed
                 && caught.info().may_have_executed && caught.info().worker > 0);
  EXPECT_THROW(pool.apply([] { _exit(7); }), bulkhead::worker_died,
               caught.info().exit.code == 7 && caught.info().exit.signal == 0
                 && caught.info().exit.cause == bulkhead::exit_cause::exited);
}

void a_time_limit(bulkhead::pool& pool) {
  auto future = pool.with({.timeout = 50ms}).submit([] { pause(); });
  EXPECT_THROW(future.get(), bulkhead::timeout_error,
               future.ready() && caught.info().exit.cause == bulkhead::exit_cause::timed_out);
}

void a_full_backlog() {
  bulkhead::pool pool(
    {.workers = 1, .name = "full", .queue_capacity = 1, .on_full = bulkhead::on_full::reject});
  std::vector<bulkhead::future<void>> kept;
  EXPECT_THROW(
    [&] {
      for (int i = 0; i < 100'000; ++i)
        kept.push_back(pool.submit([] { pause(); }));
    }(),
    bulkhead::queue_full, caught.info().kind == failure_kind::rejected);
  pool.terminate();
  EXPECT_THROW(kept.back().get(), bulkhead::cancelled_error, !caught.info().message.empty());
}

} // namespace

int main(int argc, char** argv) {
  bulkhead::init(argc, argv);
  bulkhead::pool pool({.workers = 2});
  futures(pool);
  waits(pool);
  a_thrown_exception(pool);
  a_dead_worker(pool);
  a_time_limit(pool);
  a_full_backlog();
  static_assert(std::is_base_of_v<bulkhead::error, bulkhead::pool_broken>);
  static_assert(std::is_base_of_v<bulkhead::error, bulkhead::poisoned_error>);
  static_assert(std::is_base_of_v<bulkhead::error, bulkhead::too_large>);
  static_assert(std::is_base_of_v<bulkhead::error, bulkhead::codec_error>);
  static_assert(std::is_base_of_v<std::runtime_error, bulkhead::config_error>);
}
