// ctest-timeout: 120
// What columns are made of, as values: the copy that the host believes, and the pace of a worker.
#include "runtime/dispatch/copy_column.hpp"
#include "runtime/worker/item_pace.hpp"

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include <cstring>
#include <string>
#include <vector>

using namespace bulkhead;
using namespace bulkhead::runtime;

namespace {

std::vector<std::byte> encoded(const std::vector<std::string>& results) {
  std::vector<std::byte> bytes;
  for (const auto& each : results) {
    const auto length = static_cast<std::uint32_t>(each.size());
    const auto at = bytes.size();
    bytes.resize(at + sizeof length + each.size());
    std::memcpy(bytes.data() + at, &length, sizeof length);
    if (!each.empty())
      std::memcpy(bytes.data() + at + sizeof length, each.data(), each.size());
  }
  return bytes;
}

std::vector<std::string> texts_of(const detail::result_column& column) {
  std::vector<std::string> all;
  column.for_each([&](std::span<const std::byte> bytes) {
    all.emplace_back(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  });
  return all;
}

} // namespace

TEST_CASE("a column of results of all sizes is copied from any item to any other") {
  CHECK(rc::check(
    [](const std::vector<std::string>& results, std::uint8_t a, std::uint8_t b, std::uint8_t more) {
      const auto count = static_cast<std::uint32_t>(results.size());
      const auto first = a % (count + 1);
      const auto last = first + b % (count - first + 1);
      auto bytes = encoded(results);
      bytes.resize(bytes.size() + more, std::byte{0xff}); // what lies behind does not matter
      const auto copy = copy_column(bytes, detail::varying_bytes, first, last);
      RC_ASSERT(copy.has_value());
      RC_ASSERT(copy->items == last - first);
      RC_ASSERT(texts_of(*copy)
                == std::vector<std::string>(results.begin() + first, results.begin() + last));
    }));
}

TEST_CASE("a column that claims more than is there is refused, wherever it is cut") {
  const auto bytes = encoded({"one", "", "three"});
  for (std::size_t size = 0; size < bytes.size(); ++size)
    CHECK(!copy_column(std::span(bytes).first(size), detail::varying_bytes, 0, 3));
  CHECK(copy_column(bytes, detail::varying_bytes, 0, 3));
  CHECK(!copy_column(bytes, detail::varying_bytes, 0, 4));
  CHECK(!copy_column(bytes, detail::varying_bytes, 0, 0xffffffffU));
}

TEST_CASE("a column of results of one size holds as many as fit in, and no more") {
  const std::vector<std::byte> bytes(64);
  CHECK(copy_column(bytes, 8, 0, 8));
  CHECK(copy_column(bytes, 8, 7, 8)->size == 8);
  CHECK(!copy_column(bytes, 8, 0, 9));
  CHECK(!copy_column(bytes, 8, 3, 2));
  CHECK(!copy_column(bytes, 0xfffffffe, 0xfffffff0, 0xffffffff));
  CHECK(copy_column({}, 0, 0, 1000)->size == 0); // results without bytes
}

TEST_CASE("items of a steady duration wait for a bounded time, and cheap ones read few clocks") {
  CHECK(rc::check([] {
    const auto item = *rc::gen::inRange<std::int64_t>(1, 300'000);
    item_pace pace;
    std::int64_t now = 0;
    std::int64_t oldest = 0; // when the first that waits had ended
    bool waits = false;
    std::int64_t looks = 0;
    pace.begin(now);
    for (int i = 0; i < 20'000; ++i) {
      now += item;
      if (!waits)
        oldest = now;
      waits = true;
      if (!pace.is_due())
        continue;
      ++looks;
      if (!pace.look(now))
        continue;
      RC_ASSERT(now - oldest <= item_pace::longest_wait + item);
      waits = false;
      pace.begin(now);
    }
    const auto each = item_pace::aim / item; // items between two looks that are aimed at
    RC_ASSERT(looks
              <= 100 + 20'000 / std::max<std::int64_t>(1, std::min<std::int64_t>(each, 4096)));
    if (waits)
      RC_ASSERT(now - oldest <= item_pace::longest_wait + item);
  }));
}
