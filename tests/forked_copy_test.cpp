// ctest-label: fault
// ctest-timeout: 120
// What a program that calls fork() by itself may do with the pool in the copy: nothing but hear so.
#include "tests/support/eventually.hpp"
#include "tests/support/leak_guard.hpp"

#include <bulkhead/tasks.hpp>

#include <doctest/doctest.h>

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

using namespace bulkhead;
using namespace bulkhead::tests;
using namespace std::chrono_literals;

namespace {

constexpr int refused = 42;

/// How a fork of this process ends that runs `f`: `refused` where f throws config_error.
int in_a_copy(const std::function<void()>& f) {
  const auto pid = ::fork();
  if (pid == 0) {
    ::alarm(30); // a hang ends it by a signal
    try {
      f();
      ::_exit(0);
    } catch (const config_error&) {
      ::_exit(refused);
    } catch (...) {
      ::_exit(1);
    }
  }
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/// Other threads that hold the pool's lock and wait in it while copies are made.
class traffic {
public:
  explicit traffic(pool& p) {
    for (int i = 0; i < 2; ++i)
      threads_.emplace_back([this, &p] {
        while (!over_)
          p.apply([] {});
      });
  }
  ~traffic() {
    over_ = true;
    for (auto& t : threads_)
      t.join();
  }
  traffic(const traffic&) = delete;
  traffic& operator=(const traffic&) = delete;

private:
  std::atomic<bool> over_ = false;
  std::vector<std::thread> threads_;
};

} // namespace

TEST_CASE("in a forked copy each call of a pool is refused, whatever other threads were doing") {
  const leak_guard guard;
  auto p = std::make_unique<pool>(pool_options{.workers = 2});
  const auto endless = p->submit([] { ::pause(); });
  const std::vector<future<void>> waiting{endless};
  auto lazy = p->imap([](int x) { return x; }, std::vector<int>{1, 2, 3});
  const traffic busy{*p};
  const std::vector<std::function<void()>> calls{
    [&] { p->submit([] {}); },
    [&] { p->map([](int x) { return x; }, std::vector<int>{1}); },
    [&] { p->stats(); },
    [&] { p->workers(); },
    [&] { p->isolation(); },
    [&] { p->resize(1); },
    [&] { p->close(); },
    [&] { p->completion_fd(); },
    [&] { p->broadcast([] {}); },
    [&] { endless.wait(); },
    [&] { endless.cancel(); },
    [&] { endless.on_ready([](const auto&) {}); },
    [&] { wait_any(waiting); },
    [&] {
      for (const auto& f : as_completed(waiting))
        f.get();
    },
  };
  for (std::size_t i = 0; i < calls.size(); ++i) {
    CAPTURE(i);
    CHECK(in_a_copy(calls[i]) == refused);
  }
  CHECK(in_a_copy([&] { p->terminate(); }) == 0);
  CHECK(in_a_copy([&] { p.reset(); }) == 0);
  CHECK(in_a_copy([&] { auto dropped = std::move(lazy); }) == 0);
  endless.cancel(true);
}
