// ctest-timeout: 240
// Sealed bytes that are never copied, and results that go into memory of the caller's.
#include "tests/support/leak_guard.hpp"

#include <bulkhead/bulkhead.hpp>
#include <bulkhead/ipc.hpp>

#include <doctest/doctest.h>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <memory>
#include <numeric>
#include <ranges>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using namespace bulkhead;
using bulkhead::tests::leak_guard;

namespace {

constexpr start_method methods[] = {start_method::forkserver, start_method::spawn,
                                    start_method::thread};

blob numbers(std::size_t count) {
  blob_builder builder(count * sizeof(int));
  auto* first = reinterpret_cast<int*>(builder.bytes().data());
  std::iota(first, first + count, 0);
  return std::move(builder).seal();
}

long sum(const blob& b) {
  const auto all = b.as<int>();
  return std::accumulate(all.begin(), all.end(), 0L);
}

long part(std::pair<blob, int> what) {
  return what.first.as<int>()[static_cast<std::size_t>(what.second)];
}

void scribble(const blob& b) { const_cast<std::byte&>(b.bytes()[0]) = std::byte{1}; }

std::vector<int> count_to(int n) {
  std::vector<int> all(static_cast<std::size_t>(n));
  std::iota(all.begin(), all.end(), 0);
  return all;
}

int square(int x) { return x * x; }
std::string text_of(int x) { return std::to_string(x); }
int picky(int x) {
  if (x == 7)
    throw std::runtime_error("seven");
  return x;
}

} // namespace

TEST_CASE("a blob is read everywhere, also inside other values, and lives as long as a copy") {
  const leak_guard guard;
  for (const auto method : methods) {
    const auto b = numbers(100'000);
    blob made;
    {
      pool p({.workers = 2, .start = method});
      CHECK(p.apply(sum, b) == 4'999'950'000L);
      std::vector<std::pair<blob, int>> parts;
      for (int i = 0; i < 50; ++i)
        parts.emplace_back(b, i);
      const auto found = p.map(part, parts);
      CHECK(std::ranges::equal(found, std::views::iota(0L, 50L)));
      made = p.apply(numbers, std::size_t{1000});
      CHECK(p.apply([](blob same) { return same; }, b).size() == b.size());
    }
    CHECK(sum(made) == 499'500);
  }
  process other(sum, numbers(10));
  other.start();
  CHECK(other.get<long>() == 45);
}

TEST_CASE("nobody can write to a blob") {
  const leak_guard guard;
  const auto b = numbers(1000);
  pool p({.workers = 1});
  auto f = p.submit(scribble, b);
  REQUIRE(f.outcome().has_value() == false);
  CHECK(f.outcome().failure().exit.signal == SIGSEGV);
  CHECK(b.as<int>()[0] == 0);
  const auto writable = detail::shared_segment::make("bulkhead-test", 100);
  CHECK_THROWS_WITH_AS(
    detail::shared_segment::attach(writable.file(), 1, detail::shared_segment::access::frozen),
    doctest::Contains("can still be written to"), codec_error);
  blob_builder builder(8);
  const auto sealed = std::move(builder).seal();
  CHECK(builder.bytes().empty()); // NOLINT(bugprone-use-after-move): that is what is asked
}

TEST_CASE("a blob of no bytes, and one whose bytes are no objects of that type") {
  const leak_guard guard;
  pool p({.workers = 1});
  CHECK(make_blob({}).size() == 0);
  CHECK(p.apply([](blob b) { return b; }, blob{}).bytes().empty());
  CHECK(std::move(blob_builder(0)).seal().as<double>().empty());
  const std::string text = "seven b";
  const auto b = make_blob(std::as_bytes(std::span{text}));
  CHECK(std::ranges::equal(b.as<char>(), text));
  CHECK_THROWS_WITH_AS(b.as<int>(), doctest::Contains("7 bytes"), codec_error);
}

TEST_CASE("a thousand tasks with one blob leave nothing behind") {
  const leak_guard guard;
  pool p({.workers = 2});
  const auto b = numbers(std::size_t{1} << 20);
  std::vector<future<long>> all;
  for (int i = 0; i < 1000; ++i)
    all.push_back(p.submit(part, std::pair{b, i}));
  for (int i = 0; i < 1000; ++i)
    CHECK(all[static_cast<std::size_t>(i)].get() == i);
}

TEST_CASE("results go into memory that the caller brings") {
  const leak_guard guard;
  pool p({.workers = 2});
  std::vector<int> to(1000, -1);
  const auto f = p.submit(count_to, 1000);
  CHECK_THROWS_WITH_AS(f.get_into(std::span{to}.first(999)), doctest::Contains("room for 999"),
                       config_error);
  CHECK(f.get_into(to) == 1000);
  CHECK(to[999] == 999);
  CHECK(f.get() == to); // the value is still there, and then is copied from
  std::ranges::fill(to, -1);
  CHECK(f.get_into(to) == 1000);
  CHECK(to[999] == 999);
  CHECK(p.submit(count_to, 0).get_into(to) == 0);
  CHECK_THROWS_AS(
    p.submit([](int n) { return std::vector<int>(static_cast<std::size_t>(picky(n))); }, 7)
      .get_into(to),
    task_error);
  CHECK(p.map_async(square, std::views::iota(0, 100)).get_into(to) == 100);
  CHECK(to[99] == 99 * 99);
}

TEST_CASE("a map goes into memory that the caller brings") {
  const leak_guard guard;
  pool p({.workers = 2});
  std::vector<int> to(100'000, -1);
  CHECK(p.map_into(square, std::views::iota(0, 40'000), std::span{to}) == 40'000);
  for (int i = 0; i < 40'000; ++i)
    REQUIRE(to[static_cast<std::size_t>(i)] == square(i));
  CHECK(to[40'000] == -1);
  std::vector<std::string> texts(10);
  CHECK(p.map_into(text_of, std::views::iota(0, 10), std::span{texts}) == 10);
  CHECK(texts[9] == "9");
  const auto before = p.stats().submitted;
  CHECK_THROWS_AS(p.map_into(square, std::views::iota(0, 11), std::span{to}.first(10)),
                  config_error);
  CHECK(p.stats().submitted == before);
  CHECK_THROWS_WITH_AS(p.map_into(picky, std::views::iota(0, 10), std::span{to}),
                       doctest::Contains("seven"), task_error);
}

TEST_CASE("blobs are counted while somebody holds them") {
  const leak_guard guard;
  pool p{{.workers = 1}};
  const auto before = p.stats();
  {
    const auto mine = numbers(1000);
    const auto theirs = p.apply(numbers, std::size_t{500});
    const auto same = theirs;
    CHECK(p.stats().blobs == before.blobs + 2);
    CHECK(p.stats().blob_bytes == before.blob_bytes + 1500 * sizeof(int));
  }
  CHECK(p.stats().blobs == before.blobs);
  CHECK(p.stats().blob_bytes == before.blob_bytes);
}

TEST_CASE("a result that brings more shared memory than allowed is too large, and the next one is "
          "not") {
  const leak_guard guard;
  pool p{{.workers = 1, .max_shared_result = 8192}};
  const auto too_large_ones = [](std::size_t each) {
    return std::vector<blob>{numbers(each), numbers(each)};
  };
  CHECK(p.apply(too_large_ones, std::size_t{1024}).size() == 2); // 8192 bytes in all
  CHECK_THROWS_WITH_AS(p.apply(too_large_ones, std::size_t{1025}),
                       doctest::Contains("the 8192 bytes of pool_options::max_shared_result"),
                       too_large);
  CHECK(p.apply(numbers, std::size_t{10}).size() == 10 * sizeof(int));
}

TEST_CASE("a blob without the memory that it says it has is refused") {
  const leak_guard guard;
  const auto sparse = [] {
    const int fd = ::memfd_create("sparse", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    REQUIRE(::ftruncate(fd, off_t{1} << 40) == 0);
    REQUIRE(::fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) == 0);
    return std::make_shared<const detail::open_descriptor>(fd);
  };
  detail::buffer bytes;
  detail::coder<detail::shared_descriptor>::write(bytes, sparse());
  detail::reader in{bytes.bytes()};
  in.bring(bytes.descriptors());
  CHECK_THROWS_WITH_AS(detail::coder<blob>::read(in), doctest::Contains("has memory for 0"),
                       codec_error);
}
