// ctest-timeout: 240
// Results that travel in columns: every type, failure and death gives what a loop would give.
#include "tests/support/history.hpp"
#include "tests/support/leak_guard.hpp"

#include <bulkhead/descriptor.hpp>
#include <bulkhead/event.hpp>
#include <bulkhead/tasks.hpp>

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <numeric>
#include <optional>
#include <ranges>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using namespace bulkhead;
using namespace bulkhead::tests;
using namespace std::chrono_literals;

namespace {

struct point {
  double x = 0;
  std::int16_t kind = 0; // bytes without a meaning follow
  bool operator==(const point&) const = default;
};
struct nothing {
  bool operator==(const nothing&) const = default;
};
/// Cannot be assigned: its column is not copied as a block.
struct constant {
  const int value;
  bool operator==(const constant&) const = default;
};

int square(int x) { return x * x; }
double half(int x) { return x / 2.0; }
bool is_odd(int x) { return x % 2 != 0; }
point to_point(int x) { return {x * 0.25, static_cast<std::int16_t>(x)}; }
nothing to_nothing(int) { return {}; }
constant to_constant(int x) { return {x}; }
std::string repeat(int x) { return std::string(static_cast<std::size_t>(x % 37), 'a'); }
std::vector<int> count_to(int x) { return std::vector<int>(static_cast<std::size_t>(x % 11), x); }
/// Some are larger than what goes along with others.
std::string now_and_then_large(int x) {
  return std::string(x % 50 == 49 ? std::size_t{70'000} : std::size_t{3}, 'b');
}
int picky(int x) {
  if (x % 17 == 3)
    throw std::invalid_argument("item " + std::to_string(x));
  return x;
}
std::string shout(const std::string& text) { return text + "!"; }
std::string picky_text(const std::string& text) {
  if (text.size() % 7 == 3)
    throw std::invalid_argument("text of " + std::to_string(text.size()));
  return text + text;
}
std::pair<std::string, std::optional<descriptor>> now_and_then_open(int x) {
  std::optional<descriptor> file;
  if (x % 40 == 7)
    file = descriptor{::open("/dev/null", O_RDONLY | O_CLOEXEC)};
  return {std::to_string(x), file};
}
std::string now_and_then_too_large(int x) {
  return x % 50 == 49 ? std::string(std::size_t{2} << 20, 'c') : std::to_string(x);
}
point mirrored(point p) { return {-p.x, p.kind}; }
int sum(int a, std::int64_t b) { return a + static_cast<int>(b); }
double length_of(const std::string& text, double scale) {
  return static_cast<double>(text.size()) * scale;
}

std::vector<int> some_input() {
  std::vector<int> input(*rc::gen::inRange<std::size_t>(0, 400));
  std::iota(input.begin(), input.end(), *rc::gen::inRange(0, 1000));
  return input;
}

map_options some_chunk() {
  return {.chunk = *rc::gen::elementOf(std::vector<std::size_t>{0, 1, 2, 7, 64, 1000})};
}

template <class F, class Range>
auto serial(F f, Range&& input) {
  std::vector<decltype(f(*input.begin()))> all;
  for (const auto& each : input)
    all.push_back(f(each));
  return all;
}

/// All ways to map give what a loop gives.
template <class F, class Range>
void compare(pool& p, F f, const Range& input) {
  const auto options = some_chunk();
  const auto expected = serial(f, input);
  RC_ASSERT(p.map(f, input, options) == expected);
  RC_ASSERT(p.map_async(f, input, options).get() == expected);
  std::size_t at = 0;
  for (auto&& each : p.imap(f, input, options))
    RC_ASSERT(each == expected[at++]);
  RC_ASSERT(at == expected.size());
  at = 0;
  for (const auto& each : p.try_map(f, input, options))
    RC_ASSERT(each.value() == expected[at++]);
  RC_ASSERT(at == expected.size());
}

} // namespace

TEST_CASE("a map gives what a loop gives, for results and arguments of every kind") {
  leak_guard guard;
  pool p{{.workers = 2, .ring_capacity = 64 * 1024}};
  CHECK(rc::check([&p] {
    const auto input = some_input();
    switch (*rc::gen::inRange(0, 11)) {
    case 0:
      return compare(p, square, input);
    case 1:
      return compare(p, half, input);
    case 2:
      return compare(p, is_odd, input);
    case 3:
      return compare(p, to_point, input);
    case 4:
      return compare(p, to_nothing, input);
    case 5:
      return compare(p, repeat, input);
    case 6:
      return compare(p, count_to, input);
    case 7:
      return compare(p, now_and_then_large, input);
    case 8:
      return compare(p, shout, serial(repeat, input));
    case 9:
      return compare(p, mirrored, serial(to_point, input));
    default:
      RC_ASSERT(p.map(to_constant, input, some_chunk()) == serial(to_constant, input));
    }
  }));
}

TEST_CASE("a chunk larger than the ring, and lists that are no block of memory, map every item") {
  leak_guard guard;
  pool p{{.workers = 2, .ring_capacity = 64 * 1024}};
  std::vector<int> input(200'000);
  std::iota(input.begin(), input.end(), 0);
  CHECK(p.map(square, std::vector<int>(input.begin(), input.begin() + 40'000), {.chunk = 40'000})
        == serial(square, std::vector<int>(input.begin(), input.begin() + 40'000)));
  CHECK(p.map(half, input) == serial(half, input));
  auto odd = std::views::filter(input, [](int x) { return x % 2 != 0; });
  CHECK(p.map(repeat, odd) == serial(repeat, odd));
  std::vector<bool> flags(1000);
  flags[7] = true;
  CHECK(p.map([](bool flag) { return !flag; }, flags)[7] == false);
}

TEST_CASE("arguments that are spread arrive whole, with and without a common size") {
  leak_guard guard;
  pool p{{.workers = 2}};
  std::vector<std::pair<int, std::int64_t>> numbers;
  std::vector<std::pair<std::string, double>> texts;
  for (int i = 0; i < 3000; ++i) {
    numbers.emplace_back(i, std::int64_t{2} * i);
    texts.emplace_back(std::string(static_cast<std::size_t>(i % 5), 'x'), i);
  }
  const auto sums = p.starmap(sum, numbers);
  const auto lengths = p.starmap(length_of, texts);
  for (int i = 0; i < 3000; ++i) {
    REQUIRE(sums[static_cast<std::size_t>(i)] == 3 * i);
    REQUIRE(lengths[static_cast<std::size_t>(i)] == (i % 5) * static_cast<double>(i));
  }
}

TEST_CASE("failures in the middle of a chunk are those of their items, and no other's") {
  leak_guard guard;
  pool p{{.workers = 2}};
  CHECK(rc::check([&p] {
    const auto input = some_input();
    const auto all = p.try_map(picky, input, some_chunk());
    RC_ASSERT(all.size() == input.size());
    for (std::size_t i = 0; i < all.size(); ++i) {
      RC_ASSERT(all[i].has_value() == (input[i] % 17 != 3));
      if (all[i].has_value())
        RC_ASSERT(all[i].value() == input[i]);
      else
        RC_ASSERT(all[i].failure().message == "item " + std::to_string(input[i]));
    }
  }));
}

TEST_CASE("failures among results of varying size are those of their items") {
  leak_guard guard;
  pool p{{.workers = 2, .ring_capacity = 64 * 1024}};
  CHECK(rc::check([&p] {
    const auto input = serial(repeat, some_input());
    const auto all = p.try_map(picky_text, input, some_chunk());
    RC_ASSERT(all.size() == input.size());
    for (std::size_t i = 0; i < all.size(); ++i) {
      RC_ASSERT(all[i].has_value() == (input[i].size() % 7 != 3));
      if (all[i].has_value())
        RC_ASSERT(all[i].value() == input[i] + input[i]);
      else
        RC_ASSERT(all[i].failure().message == "text of " + std::to_string(input[i].size()));
    }
  }));
}

TEST_CASE("results with an open descriptor, or beyond every limit, stand among others in a chunk") {
  leak_guard guard;
  pool p{{.workers = 2, .queue_bytes = 1 << 20}};
  std::vector<int> input(300);
  std::iota(input.begin(), input.end(), 0);
  const auto opened = p.map(now_and_then_open, input, {.chunk = 100});
  const auto sized = p.try_map(now_and_then_too_large, input, {.chunk = 100});
  for (int i = 0; i < 300; ++i) {
    const auto at = static_cast<std::size_t>(i);
    CHECK(opened[at].first == std::to_string(i));
    CHECK(opened[at].second.has_value() == (i % 40 == 7));
    if (i % 50 == 49)
      CHECK(sized[at].failure().kind == failure_kind::too_large);
    else
      CHECK(sized[at].value() == std::to_string(i));
  }
}

TEST_CASE("a pool without processes maps columns, too") {
  pool p{{.start = start_method::eager}};
  std::vector<int> input(1000);
  std::iota(input.begin(), input.end(), 0);
  CHECK(p.map(square, input) == serial(square, input));
  CHECK(p.map(repeat, input) == serial(repeat, input));
}

TEST_CASE("a result does not wait for the item behind it in its chunk") {
  leak_guard guard;
  pool p{{.workers = 1}};
  event seen;
  std::vector<std::pair<int, event>> input;
  for (int i = 0; i < 4; ++i)
    input.emplace_back(i, seen);
  const auto wait_at_2 = [](const std::pair<int, event>& item) {
    if (item.first == 2 && !item.second.wait(60s))
      return -1;
    return item.first;
  };
  int next = 0;
  for (const auto each : p.imap(wait_at_2, input, {.chunk = 4})) {
    REQUIRE(each == next);
    if (++next == 2)
      seen.set();
  }
  CHECK(next == 4);
}

namespace {

/// An item, and what becomes of which: plain, so that many run in one loop.
struct doom {
  int n = 0;
  int die = -1; ///< this one ends its worker
  int fail = 5;
};

int live_dangerously(doom item) {
  const auto n = item.n;
  witness::start(static_cast<std::size_t>(n));
  if (n == item.die)
    ::raise(SIGKILL);
  if (n % item.fail == 3)
    throw std::runtime_error("as told");
  witness::end(static_cast<std::size_t>(n));
  return n;
}

} // namespace

TEST_CASE("an item that kills its worker costs itself alone, wherever it is in its chunk") {
  leak_guard guard;
  constexpr int items = 200;
  witness seen{items};
  pool p{{.workers = 2,
          .initializer = call(&witness::open, seen.path()),
          .restart = {.max_restarts = 1000}}};
  CHECK(rc::check([&] {
    const doom fate{0, *rc::gen::inRange(0, items), *rc::gen::element(5, 31, 1000)};
    std::vector<doom> input(items, fate);
    for (int i = 0; i < items; ++i)
      input[static_cast<std::size_t>(i)].n = i;
    seen.forget();
    const auto all =
      p.try_map(live_dangerously, input,
                {.chunk = *rc::gen::elementOf(std::vector<std::size_t>{0, 10, 64, 200})});
    for (std::size_t i = 0; i < all.size(); ++i) {
      const auto n = static_cast<int>(i);
      RC_ASSERT(seen.starts(i) == 1U);
      if (n == fate.die)
        RC_ASSERT(all[i].failure().kind == failure_kind::worker_died);
      else if (n % fate.fail == 3)
        RC_ASSERT(all[i].failure().kind == failure_kind::task_exception);
      else
        RC_ASSERT(all[i].value() == n);
    }
  }));
}
