#include <bulkhead/detail/codec.hpp>
#include <bulkhead/error.hpp>

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include <cstdint>
#include <cstdlib>
#include <deque>
#include <list>
#include <map>
#include <new>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

// ctest-timeout: 180

namespace {

thread_local std::size_t allocated_bytes = 0;

} // namespace

// Not inlined: GCC would see malloc's memory given to delete.
[[gnu::noinline]] void* operator new(std::size_t size) {
  allocated_bytes += size;
  if (void* memory = std::malloc(size))
    return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace {

using namespace bulkhead::detail;

/// What rapidcheck draws; values of all other types are made from it.
using drawn = std::vector<std::pair<int, std::string>>;
using octets = std::vector<std::uint8_t>;

struct record {
  std::string name;
  drawn notes;
  std::optional<double> weight;
  std::vector<record> parts;
  bool operator==(const record&) const = default;
};
template <class Inspector>
bool inspect(Inspector& f, record& x) {
  return f.object(x).fields(f.field("name", x.name), f.field("notes", x.notes),
                            f.field("weight", x.weight), f.field("parts", x.parts));
}

using choice = std::variant<std::monostate, int, std::string, std::vector<bool>>;
using nested =
  std::map<std::string, std::vector<std::tuple<int, std::string, std::optional<bool>>>>;

template <class T>
void check_round_trip(const T& value) {
  buffer bytes;
  encode(bytes, value);
  RC_ASSERT(bytes.size() >= coder<T>::least_bytes);
  reader in{bytes.bytes()};
  RC_ASSERT(decode<T>(in) == value);
  RC_ASSERT(in.remaining() == 0U);
}

/// Decodes or refuses: anything else, and more memory than a multiple of the input, is a failure.
template <class T>
void expect_harmless(std::span<const std::byte> bytes) {
  const std::size_t budget = 4096 + 64 * bytes.size();
  const auto before = allocated_bytes;
  try {
    reader in{bytes, {.memory_bytes = budget, .elements = budget}};
    [[maybe_unused]] const T value = decode<T>(in);
  } catch (const bulkhead::codec_error&) {
  }
  // A growing vector allocates up to twice its size before; an error text a little.
  RC_ASSERT(allocated_bytes - before <= 4 * budget + 4096);
}

/// Honest bytes with some of them changed get further than random ones.
template <class T>
void expect_harmless_when_damaged(const T& value, const octets& damage) {
  buffer out;
  encode(out, value);
  std::vector<std::byte> bytes(out.bytes().begin(), out.bytes().end());
  for (std::size_t i = 0; i + 1 < damage.size(); i += 2)
    bytes[(damage[i] * bytes.size()) / 256] = static_cast<std::byte>(damage[i + 1]);
  if (damage.size() % 2 == 1)
    bytes.resize(damage.back() * bytes.size() / 256);
  expect_harmless<T>(bytes);
}

template <class T>
void check_value(const T& value, const octets& damage) {
  check_round_trip(value);
  expect_harmless_when_damaged(value, damage);
}

record make_record(const drawn& from) {
  record made{"made", from, std::nullopt, {}};
  for (const auto& [number, text] : from)
    made.parts.push_back({text, from, number, {}});
  return made;
}

nested make_nested(const drawn& from) {
  nested made;
  for (const auto& [number, text] : from)
    made[text].emplace_back(number, text,
                            number % 3 == 0 ? std::nullopt : std::optional(number > 0));
  return made;
}

std::vector<choice> make_choices(const drawn& from) {
  std::vector<choice> made(1);
  for (const auto& [number, text] : from) {
    made.emplace_back(number);
    made.emplace_back(text);
    made.emplace_back(std::vector<bool>(text.size(), number > 0));
  }
  return made;
}

using harmless_check = void (*)(std::span<const std::byte>);
constexpr harmless_check checks[] = {
  expect_harmless<bool>,
  expect_harmless<std::string>,
  expect_harmless<std::vector<double>>,
  expect_harmless<std::vector<std::string>>,
  expect_harmless<std::vector<bool>>,
  expect_harmless<std::deque<octets>>,
  expect_harmless<std::list<char>>,
  expect_harmless<std::set<std::string>>,
  expect_harmless<std::multimap<int, std::string>>,
  expect_harmless<std::unordered_map<std::string, bool>>,
  expect_harmless<std::array<std::string, 3>>,
  expect_harmless<choice>,
  expect_harmless<std::vector<choice>>,
  expect_harmless<std::vector<std::tuple<>>>,
  expect_harmless<std::unique_ptr<std::vector<std::unique_ptr<int>>>>,
  expect_harmless<std::vector<std::optional<std::array<double, 100>>>>,
  expect_harmless<std::filesystem::path>,
  expect_harmless<std::error_code>,
  expect_harmless<std::bitset<77>>,
  expect_harmless<nested>,
  expect_harmless<record>,
};

} // namespace

TEST_CASE("what was written is read back; damaged, it decodes or is refused") {
  CHECK(rc::check("values", [](const drawn& from, const octets& damage) {
    check_value(from, damage);
    check_value(make_record(from), damage);
    check_value(make_nested(from), damage);
    check_value(make_choices(from), damage);
    check_value(std::multimap<int, std::string>(from.begin(), from.end()), damage);
    check_value(std::unordered_map<int, std::string>(from.begin(), from.end()), damage);
    check_value(octets(damage), damage);
  }));
}

TEST_CASE("any bytes decode or are refused, within memory in proportion to them") {
  CHECK(rc::check("bytes", [](const octets& bytes) {
    for (const auto check : checks)
      check(std::as_bytes(std::span(bytes)));
  }));
}

TEST_CASE("a small count in front of any bytes decodes or is refused") {
  CHECK(rc::check("counted bytes", [](std::uint8_t count, const octets& bytes) {
    octets counted(sizeof(std::uint64_t));
    counted[0] = count;
    counted.insert(counted.end(), bytes.begin(), bytes.end());
    for (const auto check : checks)
      check(std::as_bytes(std::span(counted)));
  }));
}
