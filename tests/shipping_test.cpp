#include <bulkhead/detail/ship.hpp>
#include <bulkhead/error.hpp>

#include <doctest/doctest.h>

#include <memory>
#include <numeric>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

// ctest-label: tsan

namespace {

using namespace bulkhead::detail;

/// What a pool does with a task, within one process.
template <class F, class... Args>
auto ship(const F& f, const Args&... args) {
  buffer callable, arguments, result;
  encode_callable(callable, f);
  encode_args(arguments, args...);
  const auto run = reinterpret_cast<stub_fn>(const_cast<void*>(from_ref(stub_ref<F, Args...>())));
  reader callable_in{callable.bytes()};
  reader arguments_in{arguments.bytes()};
  run(callable_in, arguments_in, result);
  return decode_result<shipped_result_t<F, Args...>>(result.bytes());
}

int add(int a, int b) { return a + b; }
int add_quietly(int a, int b) noexcept { return a + b; }

int calls = 0;
void count_call() { ++calls; }

struct adder { // trivially copyable state
  int amount;
  int operator()(int x) const { return x + amount; }
};

struct greeter { // state with inspect
  std::string greeting;
  std::string operator()(std::string_view name) const { return greeting + std::string(name); }
};
template <class Inspector>
bool inspect(Inspector& f, greeter& x) {
  return f.object(x).fields(f.field("greeting", x.greeting));
}

struct only_as_rvalue {
  int operator()(int x) && { return x; }
};

} // namespace

TEST_CASE("functions, lambdas and function objects run from their bytes") {
  CHECK(ship(add, 1, 2) == 3);
  CHECK(ship(&add, 1, 2) == 3);
  CHECK(ship(add_quietly, 1, 2) == 3);
  ship(count_call);
  CHECK(calls == 1);
  CHECK(ship([](int x) { return x + 1; }, 1) == 2);
  const int amount = 5;
  const double factor = 2;
  CHECK(ship([amount, factor](int x) { return (x + amount) * factor; }, 1) == 12);
  CHECK(ship([counter = 1]() mutable { return ++counter; }) == 2);
  CHECK(ship(adder{3}, 4) == 7);
  CHECK(ship(greeter{"hello "}, "you") == "hello you");
  CHECK(ship(only_as_rvalue{}, 3) == 3);
  CHECK(ship([](auto x) { return x + x; }, std::string("a")) == "aa");
}

TEST_CASE("a callable inside a closure and a function as argument travel") {
  const auto inner = [n = 2](int x) { return n * x; };
  CHECK(ship([inner](int x) { return inner(x) + 1; }, 3) == 7);
  CHECK(ship([](int (*f)(int, int)) { return f(1, 2); }, add) == 3);
  CHECK(
    ship([](int (*f)(int, int)) { return f == nullptr; }, static_cast<int (*)(int, int)>(nullptr)));
}

TEST_CASE("a task takes its parameter as T, const T&, T&& or T&") {
  const std::string text = "abc";
  CHECK(ship([](std::string s) { return s; }, text) == "abc");
  CHECK(ship([](const std::string& s) { return s; }, text) == "abc");
  CHECK(ship([](std::string&& s) { return std::move(s); }, text) == "abc");
  CHECK(ship([](std::string& s) { return s += "d"; }, text) == "abcd");
  CHECK(ship([](std::string& a, std::string&& b, const std::string& c,
                std::string d) { return a + b + c + d; },
             "a", "b", "c", "d")
        == "abcd");
}

TEST_CASE("views and references travel as what they refer to") {
  CHECK(ship([](std::string_view s) { return s.size(); }, "abc") == 3);
  CHECK(ship([](std::string_view s) { return s.size(); }, std::string_view("ab")) == 2);
  const char* pointer = "abcd";
  CHECK(ship([](const std::string& s) { return s.size(); }, pointer) == 4);
  std::vector<double> numbers{1, 2};
  CHECK(ship([](std::span<const double> s) { return s.size(); }, std::span(numbers)) == 2);
  CHECK(ship([](std::span<double> s) { return s[1] = 7; }, numbers) == 7);
  const int array[] = {1, 2, 3};
  CHECK(ship([](std::span<const int> s) { return s[2]; }, array) == 3);
  int number = 3;
  CHECK(ship([](int& i) { return ++i; }, std::ref(number)) == 4);
  CHECK(number == 3); // the worker's copy was changed
  const std::vector<bool> flags{true};
  CHECK(ship([](bool b) { return b; }, flags[0]));
  CHECK(ship([](const std::vector<int>& v) { return v.size(); }, std::initializer_list<int>{1, 2})
        == 2);
}

TEST_CASE("move-only arguments and results travel") {
  CHECK(*ship([](std::unique_ptr<int> p) { return p; }, std::make_unique<int>(4)) == 4);
}

TEST_CASE("results decay, and void stays") {
  static const std::string text = "abc";
  const auto by_reference = []() -> const std::string& { return text; };
  static_assert(std::is_same_v<shipped_result_t<decltype(by_reference)>, std::string>);
  static_assert(std::is_void_v<shipped_result_t<decltype(&count_call)>>);
  CHECK(ship(by_reference) == "abc");
}

TEST_CASE("exceptions of the callable pass through") {
  CHECK_THROWS_WITH_AS(ship([](int x) -> int { throw std::runtime_error(std::to_string(x)); }, 3),
                       "3", std::runtime_error);
}

TEST_CASE("a null const char* is refused by the sender") {
  const char* null = nullptr;
  buffer out;
  CHECK_THROWS_AS(encode_args(out, null), bulkhead::codec_error);
}

TEST_CASE("a null function cannot be the callable") {
  CHECK_THROWS_AS(ship(static_cast<int (*)()>(nullptr)), bulkhead::codec_error);
}

TEST_CASE("bytes that do not fit the stub are refused before the callable runs") {
  calls = 0;
  buffer callable, result;
  encode_callable(callable, count_call);
  const std::byte extra[1] = {};
  reader callable_in{callable.bytes()};
  reader arguments_in{extra};
  const auto run = stub_of<decltype(&count_call)>;
  CHECK_THROWS_AS(run(callable_in, arguments_in, result), bulkhead::codec_error);
  CHECK(calls == 0);
  CHECK_THROWS_AS(decode_result<void>(extra), bulkhead::codec_error);
  CHECK_THROWS_AS(decode_result<int>(extra), bulkhead::codec_error);
}

TEST_CASE("references to code are the same in every thread") {
  const auto ref = stub_ref<decltype(&add), int, int>();
  std::vector<std::thread> threads;
  std::vector<int> equal(4);
  for (auto& each : equal)
    threads.emplace_back([&each, &ref] {
      const auto* code = from_ref(ref);
      each = to_ref(code) == ref && to_ref(&add) == to_ref(reinterpret_cast<const void*>(&add));
    });
  for (auto& thread : threads)
    thread.join();
  CHECK(std::accumulate(equal.begin(), equal.end(), 0) == 4);
}
