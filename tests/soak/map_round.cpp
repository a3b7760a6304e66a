// Maps of every form under every limit and recycling option, from several threads at once.
#include "tests/soak/rounds.hpp"

#include <bulkhead/tasks.hpp>

#include <unistd.h>

#include <chrono>
#include <csignal>
#include <functional>
#include <future>
#include <numeric>
#include <ranges>
#include <vector>

using namespace bulkhead;
using namespace std::chrono_literals;

namespace {

constexpr int poison = 7919; ///< items that are a multiple of it crash

int square(int x) {
  if (x != 0 && x % poison == 0)
    ::raise(SIGKILL);
  return x * x;
}

std::vector<int> numbers(std::mt19937& random) {
  std::vector<int> all(random() % 3000);
  std::iota(all.begin(), all.end(), static_cast<int>(random() % 20'000));
  return all;
}

map_options draw_map_options(std::mt19937& random) {
  return {.chunk = random() % 3 == 0 ? 1 + random() % 100 : 0,
          .buffersize = random() % 3 == 0 ? 1 + random() % 50 : 0};
}

std::string check_item(int x, const outcome<int>& o) {
  const bool crashes = x != 0 && x % poison == 0;
  if (o.has_value())
    return o.value() == x * x && !crashes ? "" : "wrong value for " + std::to_string(x) + "\n";
  if (crashes && o.failure().kind == failure_kind::worker_died)
    return {};
  return std::to_string(x) + " failed: " + o.failure().message + "\n";
}

std::string try_map(pool& p, std::mt19937& random) {
  const auto input = numbers(random);
  const auto found = p.try_map(square, input, draw_map_options(random));
  if (found.size() != input.size())
    return "try_map: " + std::to_string(found.size()) + " outcomes\n";
  std::string wrong;
  for (std::size_t i = 0; i < input.size() && wrong.size() < 1000; ++i)
    wrong += check_item(input[i], found[i]);
  return wrong;
}

std::string lazy_map(pool& p, std::mt19937& random) {
  const int count = static_cast<int>(random() % 2000);
  const int stop = static_cast<int>(random() % 2000);
  int next = 0;
  for (int x :
       p.imap([](int i) { return i + 1; }, std::views::iota(0, count), draw_map_options(random))) {
    if (x != ++next)
      return "imap gave " + std::to_string(x) + " in place of " + std::to_string(next) + "\n";
    if (x == stop)
      return {};
  }
  return next == count ? "" : "imap ended after " + std::to_string(next) + "\n";
}

std::string dropped_map(pool& p, std::mt19937& random) {
  auto run = p.map_async([](int x) { return x; }, numbers(random));
  if (random() % 2 == 0)
    run.cancel();
  else if (!run.wait(120s))
    return "map_async has no outcome after two minutes\n";
  return {};
}

std::string timed(pool& p, std::mt19937& random) {
  task_options o{.priority = static_cast<int>(random() % 100)};
  switch (random() % 3) {
  case 0:
    o.timeout = std::chrono::milliseconds{1 + random() % 50};
    break;
  case 1:
    o.soft_timeout = std::chrono::milliseconds{1 + random() % 50};
    break;
  default:
    o.deadline = std::chrono::milliseconds{1 + random() % 50};
  }
  std::vector<future<int>> all;
  for (int i = 0; i < 20; ++i)
    all.push_back(p.with(o).submit(
      [](int micros) {
        ::usleep(static_cast<useconds_t>(micros));
        return 0;
      },
      static_cast<int>(random() % 60'000)));
  if (!wait_all(all, 120s))
    return "a limited task has no outcome after two minutes\n";
  for (const auto& f : all)
    if (!f.successful() && f.outcome().failure().kind != failure_kind::timeout)
      return "a limited task failed: " + f.outcome().failure().message + "\n";
  return {};
}

/// A worker that dies of another task fails it; nothing else does, and it never hangs.
std::string everywhere(pool& p, std::mt19937&) {
  try {
    p.broadcast([] { return 1; });
  } catch (const worker_died&) {
  }
  return {};
}

pool_options draw_options(std::mt19937& random) {
  pool_options o;
  o.workers = 1 + random() % 4;
  o.grace = 200ms;
  o.queue_capacity = 10 + random() % 5000;
  o.max_tasks_per_worker = random() % 3 == 0 ? 1 + random() % 500 : 0;
  o.max_age_per_worker = std::chrono::milliseconds{random() % 3 == 0 ? 50 + random() % 400 : 0};
  o.ring_capacity = std::size_t{64 * 1024} << (random() % 5);
  o.dispatch = static_cast<dispatch_policy>(random() % 3);
  o.restart = {.max_restarts = 1'000'000, .backoff_initial = 1ms, .backoff_max = 20ms};
  return o;
}

using step = std::string (*)(pool&, std::mt19937&);
constexpr step steps[] = {try_map, lazy_map, dropped_map, timed, everywhere};

std::string caller(pool& p, unsigned seed) {
  std::mt19937 random{seed};
  std::string wrong;
  for (int i = 0; i < 12 && wrong.empty(); ++i)
    wrong = steps[random() % std::size(steps)](p, random);
  return wrong;
}

} // namespace

namespace bulkhead::tests::soak {

std::string map_round(std::mt19937& random, totals& sum) {
  pool p{draw_options(random)};
  std::vector<std::future<std::string>> callers;
  for (int i = 0; i < 3; ++i)
    callers.push_back(
      std::async(std::launch::async, caller, std::ref(p), static_cast<unsigned>(random())));
  for (int i = 0; i < 3; ++i)
    p.resize(1 + random() % 4);
  std::string wrong;
  for (auto& c : callers)
    wrong += c.get();
  p.close();
  if (!p.join(120s))
    wrong += "a closed pool still has tasks after two minutes\n";
  const auto s = p.stats();
  sum.tasks += s.submitted;
  sum.values += s.succeeded;
  sum.restarts += s.restarts;
  return wrong + unbalanced(s);
}

} // namespace bulkhead::tests::soak
