// What a host refuses to take for a value: by checks of its own, and by budgets.
#include "tests/support/leak_guard.hpp"

#include <bulkhead/checked.hpp>
#include <bulkhead/decoding.hpp>
#include <bulkhead/error.hpp>
#include <bulkhead/pool.hpp>

#include <doctest/doctest.h>

#include <array>
#include <limits>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

using namespace bulkhead;

namespace {

bool is_share(const double& x) { return x >= 0 && x <= 1; }
using share = checked<double, is_share>;

constexpr auto is_sorted_list = [](const std::vector<int>& all) {
  for (std::size_t i = 1; i < all.size(); ++i)
    if (all[i] < all[i - 1])
      throw std::invalid_argument("number " + std::to_string(i) + " is out of order");
  return true;
};
using sorted_list = checked<std::vector<int>, is_sorted_list>;

/// Stands for a worker that was taken over: it returns what it likes.
share claims(double x) { return x; }

sorted_list sorted(std::vector<int> all) { return all; }

std::map<std::string, std::optional<share>> nested(double x) { return {{"a", x}, {"b", {}}}; }

std::vector<std::string> texts(std::size_t count) { return std::vector<std::string>(count); }

std::string text_of_failure(auto call) {
  try {
    call();
  } catch (const codec_error& e) {
    return e.what();
  }
  return "";
}

/// The limits of before, at the end of a test.
struct restored_limits {
  ~restored_limits() { limit_decoding(before); }
  const decoding_limits before = current_decoding_limits();
};

} // namespace

TEST_CASE("a result that its check refuses never becomes a value") {
  tests::leak_guard guard;
  pool p{{.workers = 1}};
  CHECK(p.apply(claims, 0.25) == 0.25);
  const auto why = text_of_failure([&] { p.apply(claims, 1.5); });
  CHECK_MESSAGE(why.find("double") != std::string::npos, why);
  CHECK_MESSAGE(why.find("check refuses") != std::string::npos, why);
  CHECK(text_of_failure([&] { p.apply(claims, std::numeric_limits<double>::quiet_NaN()); }) != "");
  CHECK(p.apply(claims, 1.0) == 1.0);
  CHECK(p.stats().restarts == 0);
}

TEST_CASE("what a check throws is a part of the error") {
  tests::leak_guard guard;
  pool p{{.workers = 1}};
  CHECK(p.apply(sorted, std::vector{1, 2, 2}).value() == std::vector{1, 2, 2});
  const auto why = text_of_failure([&] { p.apply(sorted, std::vector{1, 3, 2}); });
  CHECK_MESSAGE(why.find("number 2 is out of order") != std::string::npos, why);
}

TEST_CASE("nothing that holds a checked value goes past its check as plain bytes") {
  struct account {
    share part;
    int number;
  };
  static_assert(!detail::raw<share> && !detail::raw<account> && !detail::raw<std::array<share, 2>>);
  static_assert(!detail::encodable<account>, "it needs an inspect function");
  pool p{{.workers = 1}};
  const auto two = [](double x) { return std::array<share, 2>{0.5, x}; };
  CHECK(p.apply(two, 0.25)[1] == 0.25);
  CHECK(text_of_failure([&] { p.apply(two, 1.5); }).find("check refuses") != std::string::npos);
}

TEST_CASE("checks hold inside other values and for each item of a map alone") {
  tests::leak_guard guard;
  pool p{{.workers = 1}};
  CHECK(p.apply(nested, 0.5).at("a").value() == 0.5);
  CHECK(text_of_failure([&] { p.apply(nested, -0.5); }) != "");
  const auto all = p.try_map(claims, std::vector{0.0, 2.0, 1.0});
  CHECK(all[0].has_value());
  REQUIRE_FALSE(all[1].has_value());
  CHECK(all[1].failure().kind == failure_kind::codec);
  CHECK(all[2].has_value());
}

TEST_CASE("a host whose values are small bounds what decoding one may cost") {
  tests::leak_guard guard;
  const restored_limits guard_of_limits;
  pool p{{.workers = 1}};
  CHECK(p.apply(texts, 10'000).size() == 10'000);
  limit_decoding({.memory_bytes = 4096, .memory_factor = 1});
  CHECK(p.apply(texts, 100).size() == 100);
  CHECK(text_of_failure([&] { p.apply(texts, 10'000); }).find("memory") != std::string::npos);
  limit_decoding({.elements = 0});
  CHECK(p.apply(texts, 10'000).size() == 10'000); // each has bytes of its own in the message
  CHECK(current_decoding_limits() == decoding_limits{.elements = 0});
}

TEST_CASE("limits that bound nothing are refused by name") {
  CHECK_THROWS_WITH_AS(limit_decoding({.memory_factor = 1 << 20}),
                       doctest::Contains("decoding_limits::memory_factor is 1048576"),
                       config_error);
  CHECK_THROWS_WITH_AS(limit_decoding({.elements = ~std::size_t{0}}),
                       doctest::Contains("decoding_limits::elements"), config_error);
}
