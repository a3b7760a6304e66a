// Snippets of the guide: tasks, many items, what can travel.

#include <bulkhead/bulkhead.hpp>

#include <chrono>
#include <cstdio>
#include <iostream>
#include <numeric>
#include <ranges>
#include <string>
#include <vector>

using namespace std::chrono_literals;

//[
int count_vowels(const std::string& text) {
  int vowels = 0;
  for (char c : text)
    vowels += std::string("aeiou").find(c) != std::string::npos ? 1 : 0;
  return vowels;
}

void one_task(bulkhead::pool& pool) {
  bulkhead::future<int> vowels = pool.submit(count_vowels, "bulkhead"); // returns at once
  std::printf("%d\n", vowels.get());                                    // waits: 3

  std::printf("%d\n", pool.apply(count_vowels, "pool")); // submit and wait: 2
}
//]

void lambdas(bulkhead::pool& pool) {
  //[
  const int factor = 3;
  auto triple = [factor](int x) { return factor * x; }; // the captured value travels with it
  pool.map(triple, {1, 2, 3});
  //]
}

//[
struct reading {
  std::string sensor;
  std::vector<double> samples;
};

template <class Inspector>
auto inspect(Inspector& f, reading& x) {
  return f(x.sensor, x.samples);
}

double mean(const reading& r) {
  return std::reduce(r.samples.begin(), r.samples.end()) / static_cast<double>(r.samples.size());
}
//]

void own_types(bulkhead::pool& pool) {
  //[
  double m = pool.apply(mean, reading{"boiler", {20.5, 21.5}});
  //]
  std::printf("%g\n", m);
}

//[
int add(int a, int b) { return a + b; }

void many_items(bulkhead::pool& pool) {
  std::vector<std::string> words{"one", "two", "three"};
  std::vector<int> vowels = pool.map(count_vowels, words); // in the order of the input
  std::vector<int> sums = pool.starmap(add, {std::pair{1, 2}, std::pair{3, 4}}); // 3, 7
  auto later = pool.map_async(count_vowels, words); // a future of the vector
  pool.for_each([](const std::string& word) { std::cerr << word << '\n'; }, words);
}
//]

//[
void lazy_results(bulkhead::pool& pool) {
  auto naturals = std::views::iota(1); // never ends
  for (int square : pool.imap([](int x) { return x * x; }, naturals)) {
    if (square > 10'000)
      break; // cancels what has not started
  }
}
//]

//[
void several_inputs(bulkhead::pool& pool) {
  std::vector<int> low{1, 2, 3}, high{10, 20, 30};
  for (int sum : pool.istarmap(add, bulkhead::zip(low, high), {.timeout = 10s}))
    std::cerr << sum << '\n'; // 11, 22, 33; timeout_error where they take longer
}
//]

void watch_progress(bulkhead::pool& pool) {
  //[
  bulkhead::map_options options{
    .chunk = 100, // items that travel together
    .on_progress = [](std::size_t done,
                      std::size_t total) { std::fprintf(stderr, "\r%zu of %zu", done, total); },
  };
  pool.map([](int x) { return x + 1; }, std::views::iota(0, 10'000), options);
  //]
}

int main(int argc, char** argv) {
  bulkhead::init(argc, argv);
  bulkhead::pool pool({.workers = 2});
  one_task(pool);
  lambdas(pool);
  own_types(pool);
  many_items(pool);
  lazy_results(pool);
  several_inputs(pool);
  watch_progress(pool);
}
