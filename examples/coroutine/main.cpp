// Coroutines that await tasks: sequential code, isolated work.

#include <bulkhead/bulkhead.hpp>

#include <coroutine>
#include <exception>
#include <iostream>
#include <latch>
#include <string>
#include <vector>

/// The smallest coroutine type: starts at once, nobody awaits it.
struct detached {
  struct promise_type {
    detached get_return_object() { return {}; }
    std::suspend_never initial_suspend() { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { std::terminate(); }
  };
};

std::vector<int> factors_of(int n) {
  std::vector<int> factors;
  for (int i = 2; n > 1; ++i)
    for (; n % i == 0; n /= i)
      factors.push_back(i);
  return factors;
}

int product_of(const std::vector<int>& factors) {
  int product = 1;
  for (const int f : factors)
    product *= f;
  return product;
}

int crash(int) { std::abort(); }

/// Two tasks, one after the other; the second works on the result of the first.
detached factor_and_back(bulkhead::pool& pool, int n, std::string& line, std::latch& done) {
  const auto factors = co_await pool.submit(factors_of, n);
  const auto product = co_await pool.submit(product_of, factors);
  line = std::to_string(n) + " has " + std::to_string(factors.size())
         + " prime factors; multiplied: " + std::to_string(product);
  done.count_down();
}

/// A crashed task is an exception at the co_await.
detached survive(bulkhead::pool& pool, std::string& line, std::latch& done) {
  try {
    co_await pool.submit(crash, 0);
  } catch (const bulkhead::worker_died& e) {
    line = "one task was " + to_string(e.info().exit);
  }
  done.count_down();
}

int main(int argc, char** argv) {
  bulkhead::init(argc, argv);
  bulkhead::pool pool({.workers = 2});
  const int numbers[] = {60, 97, 1001, 1'000'000};
  std::string lines[5];
  std::latch done{5};
  for (int i = 0; i < 4; ++i)
    factor_and_back(pool, numbers[i], lines[i], done);
  survive(pool, lines[4], done);
  done.wait();
  for (const auto& line : lines)
    std::cout << line << std::endl;
}
