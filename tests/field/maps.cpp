// Maps, their callables, inputs and results.
#include "tests/field/helpers.hpp"

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <ranges>
#include <unordered_set>

using namespace bulkhead;
using namespace bulkhead::field;

namespace {

int quick_then_slow(int i) {
  if (i >= 2000)
    ::usleep(50'000);
  return own_pid();
}

std::string megabyte(int) { return std::string(1 << 20, 'x'); }

using block = std::array<char, 1024>;
std::size_t count_of(const std::vector<std::optional<block>>& all) { return all.size(); }
std::vector<std::optional<block>> sparse(int n) {
  return std::vector<std::optional<block>>(static_cast<std::size_t>(n));
}

struct node {
  int value = 0;
  std::unique_ptr<node> next;
  node() = default;
  node(node&&) = default;
  node& operator=(node&&) = default;
  ~node() { // not by recursion
    for (auto rest = std::move(next); rest;)
      rest = std::move(rest->next);
  }
};
template <class Inspector>
bool inspect(Inspector& f, node& x) {
  return f.object(x).fields(f.field("value", x.value), f.field("next", x.next));
}
int depth(const node& first) {
  int deep = 0;
  for (const auto* at = &first; at != nullptr; at = at->next.get())
    ++deep;
  return deep;
}

/// Refuses to be read in the host.
struct moody {
  std::string text;
};
bool in_host = false;
template <class Inspector>
auto inspect(Inspector& f, moody& x) {
  if constexpr (Inspector::is_loading)
    if (in_host)
      throw std::invalid_argument("never in the host");
  return f(x.text);
}
moody make_moody(int) { return {"abc"}; }

std::unique_ptr<int> owned(int x) { return std::make_unique<int>(x); }

std::size_t text_length(const std::string& s) { return s.size(); }

/// Numbers that fall into one bucket of a set of the standard library's.
std::unordered_set<std::uint64_t> colliding(std::uint64_t buckets, int n) {
  std::unordered_set<std::uint64_t> all;
  all.rehash(static_cast<std::size_t>(n) * 7 + 13);
  for (int i = 0; i < n; ++i)
    all.insert(buckets * static_cast<std::uint64_t>(i));
  return all;
}

} // namespace

FIELD_PROGRAM(a_callable_larger_than_a_chunk_maps_every_item, "3, 3, 3, 3, 3", "") {
  pool p{{.workers = 2, .ring_capacity = 65'536}};
  std::array<double, 8192> table{};
  table[5] = 42;
  const auto f = [table](int x) { return table[5] + x; };
  const std::vector<int> in{1, 2, 3};
  int streamed = 0;
  for (const double x : p.imap(f, in))
    streamed += x > 42;
  return std::to_string(p.map(f, in).size()) + ", " + std::to_string(p.try_map(f, in).size()) + ", "
         + std::to_string(p.map(f, in, {.chunk = 1}).size()) + ", "
         + std::to_string(p.map_async(f, in).get().size()) + ", " + std::to_string(streamed);
}

FIELD_PROGRAM(what_was_read_before_the_input_threw_is_delivered, "0 1 2 3 4 line 5 is broken", "") {
  pool p{{.workers = 2}};
  const auto broken = std::views::iota(0) | std::views::transform([](int i) {
                        if (i == 5)
                          throw std::runtime_error("line 5 is broken");
                        return i;
                      });
  std::string seen;
  try {
    for (const int x : p.imap([](int x) { return x; }, broken))
      seen += std::to_string(x) + " ";
  } catch (const std::exception& e) {
    seen += e.what();
  }
  return seen;
}

FIELD_PROGRAM(a_map_whose_progress_throws_leaves_nothing_behind, "0 wait or run", "") {
  pool p{{.workers = 2}};
  try {
    p.map([](int) { ::usleep(2000); }, numbers(400),
          {.chunk = 1, .on_progress = [](std::size_t done, std::size_t) {
             if (done > 10)
               throw 1;
           }});
  } catch (int) {
    eventually([&] { return p.stats().in_flight == 0; });
  }
  const auto s = p.stats();
  return counted(s.queued + s.in_flight, "wait or run");
}

FIELD_PROGRAM(slow_tasks_after_quick_ones_are_shared, "all results, no worker had most", "") {
  pool p{{.workers = 4}};
  const auto by = p.map(quick_then_slow, numbers(2032));
  std::map<int, int> share;
  for (std::size_t i = 2000; i < by.size(); ++i)
    ++share[by[i]];
  int most = 0;
  for (const auto& [pid, count] : share)
    most = std::max(most, count);
  return std::string(by.size() == 2032 ? "all results, " : "some results, ")
         + (most <= 16 ? "no worker had most" : "one worker had " + std::to_string(most));
}

FIELD_PROGRAM(for_each_ships_no_results, "flat", "") {
  pool p{{.workers = 2}};
  p.for_each(megabyte, numbers(4));
  const auto before = own_rss_bytes();
  p.for_each(megabyte, numbers(200));
  return growth(before, std::size_t{32} << 20);
}

FIELD_PROGRAM(as_completed_keeps_no_result, "100 results, flat", "") {
  pool p{{.workers = 2}};
  std::vector<future<std::string>> jobs;
  jobs.reserve(100);
  for (int i = 0; i < 100; ++i)
    jobs.push_back(p.submit(
      [](int x) {
        ::usleep(4000);
        return megabyte(x);
      },
      i));
  const auto before = own_rss_bytes();
  auto done = as_completed(jobs);
  jobs.clear();
  int results = 0;
  for (auto job : done)
    results += std::move(job).get().size() == std::size_t{1} << 20;
  return counted(results, "results, ") + growth(before, std::size_t{48} << 20);
}

FIELD_PROGRAM(maps_of_values_that_only_move, "3, 3, 5", "") {
  pool p{{.workers = 1}};
  const auto mapped = p.map(owned, {1, 2, 3});
  int last = 0;
  for (auto&& x : p.imap(owned, std::vector<int>{1, 2, 3}))
    last = *x;
  const gate told;
  std::atomic<int> seen = 0;
  const auto f = p.submit(owned, 5);
  f.on_ready([&seen, kept = std::make_unique<int>(5)](const auto&) { seen = *kept; });
  eventually([&] { return seen != 0; });
  return std::to_string(*mapped[2]) + ", " + std::to_string(last) + ", " + std::to_string(seen);
}

FIELD_PROGRAM(sparse_values_travel_both_ways, "100000, 100000", "open") {
  pool p{{.workers = 1}};
  const auto there = p.submit(count_of, sparse(100'000)).outcome();
  const auto back = p.submit(sparse, 100'000).outcome();
  return word(there) + ", "
         + (back.has_value() ? std::to_string(back.value().size()) : std::string("codec"));
}

FIELD_PROGRAM(a_value_nested_a_million_deep_is_refused, "refused, then 51", "") {
  pool p{{.workers = 1}};
  const auto chain = [](int length) {
    node head;
    for (int i = 0; i < length; ++i) {
      auto next = std::make_unique<node>();
      next->next = std::move(head.next);
      head.next = std::move(next);
    }
    return head;
  };
  std::string how = "taken";
  try {
    p.submit(depth, chain(1'000'000)).get();
  } catch (const bulkhead::error&) {
    how = "refused";
  }
  return how + ", then " + word(p.submit(depth, chain(50)).outcome());
}

FIELD_PROGRAM(a_result_that_the_host_cannot_read_is_an_outcome,
              "codec, told once, 3 outcomes, 1 completed", "") {
  pool p{{.workers = 1}};
  p.submit(plus_one, 1).wait();
  in_host = true; // workers were made before
  const auto f = p.submit(make_moody, 1);
  f.wait();
  std::atomic<int> told = 0;
  f.on_ready([&](const auto&) { ++told; });
  eventually([&] { return told != 0; });
  const auto all = p.try_map(make_moody, {1, 2, 3});
  std::vector<future<moody>> more{p.submit(make_moody, 1)};
  int completed = 0;
  for (const auto& ended : as_completed(more))
    completed += ended.ready();
  return std::string(to_string(f.outcome().failure().kind))
         + (told == 1 ? ", told once, " : ", told never, ") + counted(all.size(), "outcomes, ")
         + counted(completed, "completed");
}

FIELD_PROGRAM(a_text_that_fills_its_array_arrives_alone, "8", "") {
  pool p{{.workers = 1}};
  static struct {
    char id[8];
    char secret[8];
  } record{{'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H'}, "secret"};
  return word(p.submit(text_length, record.id).outcome());
}

FIELD_PROGRAM(numbers_of_one_bucket_are_a_set_like_any_other, "20000 numbers", "") {
  std::unordered_set<std::uint64_t> probe;
  for (std::uint64_t i = 0; i < 20'000; ++i)
    probe.insert(i);
  pool p{{.workers = 1}};
  return counted(p.submit(colliding, probe.bucket_count(), 20'000).get().size(), "numbers");
}

FIELD_PROGRAM(a_map_that_was_cancelled_in_time_never_ran, "0 of 200 ran all the same", "") {
  pool p{{.workers = 2}};
  auto risky = p.with({.retries = 3});
  int ran = 0;
  for (int i = 0; i < 200; ++i) {
    const auto m = risky.map_async(
      [](int x) {
        if (this_task::attempt() == 1)
          std::abort();
        return x;
      },
      std::vector<int>{1});
    for (int spin = 0; spin < i % 40; ++spin)
      std::this_thread::sleep_for(50us);
    const bool in_time = m.cancel();
    m.wait();
    ran += in_time && (m.outcome().has_value() || m.outcome().failure().may_have_executed);
  }
  return std::to_string(ran) + " of 200 ran all the same";
}

FIELD_PROGRAM(twenty_thousand_waiting_items_are_cancelled, "cancelled, the other stays", "") {
  const gate closed;
  pool p{{.workers = 1, .queue_capacity = 100'000}};
  const auto busy = p.submit(pass, closed.path());
  const auto stays = p.map_async(plus_one, numbers(20'000), {.chunk = 1});
  const auto goes = p.map_async(plus_one, numbers(20'000), {.chunk = 1});
  goes.cancel();
  const bool ended = goes.wait(60s) && !stays.ready();
  closed.open();
  return std::string(ended ? "cancelled, " : "not cancelled, ")
         + (stays.get().size() == 20'000 ? "the other stays" : "the other lost items");
}

FIELD_PROGRAM(results_of_more_than_two_gigabytes_arrive, "2200000000 bytes", "long") {
  pool p{{.workers = 1, .queue_bytes = std::size_t{12} << 30}};
  auto f =
    p.submit([](std::size_t n) { return std::vector<char>(n, 7); }, std::size_t{2'200'000'000});
  return counted(std::move(f).get().size(), "bytes");
}
