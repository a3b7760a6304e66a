// Snippets of docs/from-python.md.

#include <bulkhead/bulkhead.hpp>

#include <chrono>
#include <iostream>
#include <string>
#include <vector>

using namespace std::chrono_literals;

int square(int x) { return x * x; }

int power(int base, int exponent) {
  int result = 1;
  for (; exponent > 0; --exponent)
    result *= base;
  return result;
}

void say(const std::string& text) { std::cout << text << std::endl; }

//[
void pool_like_python() {
  bulkhead::pool pool({.workers = 4}); // with Pool(4) as pool:
  std::vector<int> squares = pool.map(square, {1, 2, 3});
  std::vector<int> powers = pool.starmap(power, {std::pair{2, 3}, std::pair{3, 2}});
  std::cout << pool.apply(square, 4) << '\n';
  auto later = pool.submit(square, 5); // pool.apply_async(square, (5,))
  std::cout << later.get(1s) << '\n';  // later.get(timeout=1)
  for (int x : pool.imap_unordered(square, squares))
    std::cout << x << '\n';
} // as at the end of the with: terminate()
//]

//[
void executor_like_python() {
  bulkhead::pool executor({.workers = 4, .initializer = bulkhead::call(say, "here I am")});
  std::vector<bulkhead::future<int>> futures;
  for (int i = 0; i < 10; ++i)
    futures.push_back(executor.submit(square, i));
  for (const auto& future : bulkhead::as_completed(futures))
    std::cout << future.get() << '\n'; // future.result()
  executor.close();
  executor.join(); // executor.shutdown(wait=True)
}
//]

//[
void process_like_python() {
  bulkhead::process p(say, "hello"); // Process(target=say, args=("hello",))
  p.start();
  p.join();
  std::cout << *p.exit_code() << '\n'; // p.exitcode
}
//]

int main(int argc, char** argv) {
  bulkhead::init(argc, argv);
  pool_like_python();
  executor_like_python();
  process_like_python();
}
