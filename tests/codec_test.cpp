#include <bulkhead/descriptor.hpp>
#include <bulkhead/detail/codec.hpp>
#include <bulkhead/detail/type_name.hpp>
#include <bulkhead/error.hpp>

#include <doctest/doctest.h>
#include <fcntl.h>

#include <atomic>
#include <chrono>
#include <complex>
#include <cstdint>
#include <deque>
#include <future>
#include <limits>
#include <list>
#include <map>
#include <memory>
#include <numeric>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

// ctest-label: tsan

namespace {

using namespace bulkhead::detail;
using namespace std::chrono_literals;

template <class T>
T there_and_back(const T& value) {
  buffer bytes;
  encode(bytes, value);
  reader in{bytes.bytes()};
  T copy = decode<T>(in);
  in.expect_end();
  return copy;
}

template <class T>
bool survives(const T& value) {
  return there_and_back(value) == value;
}

/// The text of the codec_error that decoding these bytes ends in.
template <class T>
std::string refusal(const std::vector<std::uint8_t>& bytes) {
  try {
    reader in{std::as_bytes(std::span(bytes))};
    decode<T>(in);
    in.expect_end();
  } catch (const bulkhead::codec_error& e) {
    return e.what();
  }
  return "decoded";
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

std::vector<std::uint8_t> count(std::uint64_t n, std::vector<std::uint8_t> more = {}) {
  std::vector<std::uint8_t> bytes(sizeof n);
  std::memcpy(bytes.data(), &n, sizeof n);
  bytes.insert(bytes.end(), more.begin(), more.end());
  return bytes;
}

enum class colour : std::uint8_t { red, green };

struct plain {
  char a;
  double b;
  std::array<int, 3> c;
  bool operator==(const plain&) const = default;
};

struct tree { // CAF 1.x style
  std::string name;
  std::vector<tree> children;
  int marks[2] = {};
  bool operator==(const tree& o) const {
    return name == o.name && children == o.children && marks[0] == o.marks[0]
           && marks[1] == o.marks[1];
  }
};
template <class Inspector>
bool inspect(Inspector& f, tree& x) {
  return f.object(x).pretty_name("tree").fields(
    f.field("name", x.name), f.field("children", x.children), f.field("marks", x.marks));
}

class celsius { // getter, setter and invariant
public:
  double degrees() const { return degrees_; }
  bool set(double d) {
    degrees_ = d;
    return d >= -273.15;
  }

private:
  double degrees_ = 0;
  std::string unit_; // not trivially copyable
};
template <class Inspector>
bool inspect(Inspector& f, celsius& x) {
  return f.object(x).fields(f.field(
    "degrees", [&] { return x.degrees(); }, [&](double d) { return x.set(d); }));
}

struct even {
  std::string text;
  int number = 0;
};
template <class Inspector>
bool inspect(Inspector& f, even& x) {
  return f.object(x).fields(
    f.field("text", x.text),
    f.field("number", x.number).fallback(2).invariant([](int n) { return n % 2 == 0; }));
}

union bits {
  std::uint32_t whole;
  float number;
};

} // namespace

// What CAF 0.17 calls annotations, by the names that the inspector looks for.
namespace caf::meta {
struct annotation {};
struct type_name_t : annotation {
  const char* value;
};
template <class F>
struct load_callback_t : annotation {
  explicit load_callback_t(F f) : fun(f) {}
  F fun;
};
} // namespace caf::meta

namespace {

struct old_style {
  int a = 0;
  std::string b;
  bool loaded = false;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, old_style& x) {
  auto on_load = [&x] { x.loaded = true; };
  return f(caf::meta::type_name_t{{}, "old_style"}, x.a, x.b,
           caf::meta::load_callback_t<decltype(on_load)>{on_load});
}

} // namespace

template <>
inline constexpr bool bulkhead::trivially_shippable<bits> = true;

TEST_CASE("a descriptor that did not come along with the bytes is an error") {
  using bulkhead::descriptor;
  buffer bytes;
  encode(bytes, descriptor{::open("/dev/null", O_RDONLY | O_CLOEXEC)});
  REQUIRE(bytes.descriptors() != nullptr);
  reader without{bytes.bytes()};
  CHECK_THROWS_AS(decode<descriptor>(without), bulkhead::codec_error);
  descriptor_list others;
  others.add(12345, std::make_shared<open_descriptor>(-1));
  reader with_others{bytes.bytes()};
  with_others.bring(&others);
  CHECK_THROWS_AS(decode<descriptor>(with_others), bulkhead::codec_error);
  reader with{bytes.bytes()};
  with.bring(bytes.descriptors());
  CHECK(decode<descriptor>(with).fd() >= 0);
}

TEST_CASE("numbers, flags and enums come back as they were") {
  CHECK(survives(std::numeric_limits<std::int64_t>::min()));
  CHECK(survives(std::numeric_limits<long double>::denorm_min()));
  CHECK(survives(true));
  CHECK(survives('x'));
  CHECK(survives(colour::green));
  CHECK(survives(std::byte{200}));
  CHECK(survives(std::complex<double>(1, -2)));
  CHECK(survives(-3ns));
  CHECK(survives(std::chrono::system_clock::now()));
  CHECK(survives(plain{'a', 1.5, {1, 2, 3}}));
  CHECK(there_and_back(bits{.whole = 77}).whole == 77);
}

TEST_CASE("containers of everything come back as they were") {
  CHECK(survives(std::string("a\0b\xff", 4)));
  CHECK(survives(std::u16string(u"abc")));
  CHECK(survives(std::vector<double>{1, 2, 3}));
  CHECK(survives(std::vector<bool>{true, false, true}));
  CHECK(survives(std::vector<std::string>{"", "a", "bc"}));
  CHECK(survives(std::vector<std::vector<int>>{{}, {1}, {2, 3}}));
  CHECK(survives(std::deque<plain>{{'a', 1, {}}, {'b', 2, {}}}));
  CHECK(survives(std::list<std::optional<std::string>>{"a", std::nullopt}));
  CHECK(survives(std::set<std::string>{"b", "a"}));
  CHECK(survives(std::multiset<int>{1, 1, 2}));
  CHECK(survives(std::map<std::string, std::vector<int>>{{"a", {1}}, {"b", {}}}));
  CHECK(survives(std::multimap<int, bool>{{1, true}, {1, false}}));
  CHECK(survives(std::unordered_map<std::string, int>{{"a", 1}, {"b", 2}}));
  CHECK(survives(std::unordered_multimap<int, std::string>{{1, "a"}, {1, "b"}}));
  CHECK(survives(std::unordered_set<int>{3, 4}));
  CHECK(survives(std::array<std::string, 2>{"a", "b"}));
  CHECK(survives(std::array<bool, 20>{true}));
  CHECK(survives(std::array<int, 0>{}));
  CHECK(survives(std::bitset<70>("101")));
}

TEST_CASE("products and sums come back as they were") {
  CHECK(survives(std::pair<int, std::string>(1, "a")));
  CHECK(survives(std::tuple<>()));
  CHECK(survives(std::tuple<bool, std::string, std::vector<int>>(true, "a", {1})));
  CHECK(survives(std::optional<int>()));
  CHECK(survives(std::optional<std::string>("a")));
  using choice = std::variant<std::monostate, int, std::string>;
  CHECK(survives(choice()));
  CHECK(survives(choice(3)));
  CHECK(survives(choice("a")));
  CHECK(*there_and_back(std::make_unique<std::string>("a")) == "a");
  CHECK(there_and_back(std::unique_ptr<int>()) == nullptr);
  CHECK(survives(std::filesystem::path("/a/\xff")));
  CHECK(survives(std::make_error_code(std::errc::io_error)));
  CHECK(survives(std::error_code(5, std::system_category())));
}

TEST_CASE("a type with inspect travels by its parts, in both styles of CAF") {
  CHECK(survives(tree{"root", {{"leaf", {}, {1, 2}}, {"branch", {{"x", {}, {}}}, {}}}, {3, 4}}));
  celsius mild;
  mild.set(20);
  CHECK(there_and_back(mild).degrees() == 20);
  const auto old = there_and_back(old_style{3, "b", false});
  CHECK(old.a == 3);
  CHECK(old.b == "b");
  CHECK(old.loaded);
}

TEST_CASE("content that inspect refuses is an error") {
  buffer bytes;
  encode(bytes, std::string("a"));
  encode(bytes, 3);
  reader in{bytes.bytes()};
  CHECK_THROWS_WITH_AS(
    decode<even>(in),
    "cannot decode (anonymous namespace)::even: its inspect() refuses the content",
    bulkhead::codec_error);
  buffer cold;
  encode(cold, -300.0);
  reader cold_in{cold.bytes()};
  CHECK_THROWS_AS(decode<celsius>(cold_in), bulkhead::codec_error);
}

TEST_CASE("bytes at odd addresses decode") {
  buffer bytes;
  encode(bytes, 'x');
  encode(bytes, std::vector<double>{1, 2, 3});
  encode(bytes, plain{'a', 1.5, {1, 2, 3}});
  reader in{bytes.bytes()};
  CHECK(decode<char>(in) == 'x');
  CHECK(decode<std::vector<double>>(in) == std::vector<double>{1, 2, 3});
  CHECK(decode<plain>(in).b == 1.5);
}

TEST_CASE("a message that ends too early is an error that names type and sizes") {
  CHECK(refusal<int>({1, 2}) == "cannot decode int: 4 bytes needed, 2 left in the message");
  CHECK(contains(refusal<std::string>(count(5, {'a'})),
                 "cannot decode std::string: 5 elements of at least 1 byte claimed, 1 byte left"));
  CHECK(refusal<std::pair<char, bool>>({1})
        == "cannot decode bool: 1 byte needed, 0 left in the message");
}

TEST_CASE("types are named as people write them") {
  CHECK(type_name<std::map<std::string, std::vector<int>>>()
        == "std::map<std::string, std::vector<int>>");
  CHECK(type_name<std::unordered_set<std::filesystem::path>>()
        == "std::unordered_set<std::filesystem::path>");
}

TEST_CASE("a byte that is left over is an error") {
  CHECK(refusal<bool>({1, 0}) == "cannot decode: 1 byte left over behind the last value");
}

TEST_CASE("a count is not believed before anything is allocated") {
  const auto huge = std::numeric_limits<std::uint64_t>::max();
  CHECK(contains(refusal<std::vector<double>>(count(huge)), "claimed"));
  CHECK(contains(refusal<std::vector<std::string>>(count(huge / 8)), "claimed"));
  CHECK(contains(refusal<std::map<int, int>>(count(huge)), "claimed"));
  CHECK(contains(refusal<std::vector<bool>>(count(huge)), "claimed"));
  // Elements that take no bytes at all: the budget of the message ends it.
  CHECK(contains(refusal<std::vector<std::tuple<>>>(count(huge)), "claimed"));
  CHECK(contains(refusal<std::vector<std::tuple<>>>(count(std::uint64_t{1} << 30)), "allowed"));
  CHECK(contains(refusal<std::vector<std::array<std::tuple<>, 1000>>>(count(1 << 20)), "allowed"));
  CHECK(contains(refusal<std::vector<tree>>(count(1 << 22)), "allowed"));
}

TEST_CASE("a flag, an index and a category are validated") {
  CHECK(refusal<bool>({2}) == "cannot decode bool: a flag is neither 0 nor 1");
  CHECK(contains(refusal<std::optional<int>>({2, 0, 0, 0, 0}), "flag"));
  CHECK(contains(refusal<std::unique_ptr<int>>({7}), "flag"));
  CHECK(contains(refusal<std::variant<int, bool>>({2, 1}), "index"));
  CHECK(contains(refusal<std::vector<bool>>(count(1, {9})), "flag"));
}

TEST_CASE("values inside one another are bounded, not the stack") {
  std::vector<std::uint8_t> bytes;
  for (int i = 0; i < 100'000; ++i) { // name "", one child, ...
    const auto name = count(0);
    const auto children = count(1);
    bytes.insert(bytes.end(), name.begin(), name.end());
    bytes.insert(bytes.end(), children.begin(), children.end());
  }
  CHECK(contains(refusal<tree>(bytes), "more than 64 values inside one another"));
}

TEST_CASE("memory and elements of a message are bounded by its limits") {
  buffer bytes;
  encode(bytes, std::vector<std::optional<std::array<double, 100>>>(1000));
  reader narrow{bytes.bytes(), {.memory_bytes = 1000, .elements = 10'000}};
  CHECK_THROWS_AS((decode<std::vector<std::optional<std::array<double, 100>>>>(narrow)),
                  bulkhead::codec_error);
  reader few{bytes.bytes(), {.memory_bytes = 1 << 20, .elements = 999}};
  CHECK_THROWS_AS((decode<std::vector<std::optional<std::array<double, 100>>>>(few)),
                  bulkhead::codec_error);
  reader wide{bytes.bytes()};
  CHECK(decode<std::vector<std::optional<std::array<double, 100>>>>(wide).size() == 1000);
}

namespace {

struct all_in_one {
  std::size_t operator()(int) const noexcept { return 7; }
};

// Bytes of a container of `count` numbers, each `times` times: a sequence and a set are written
// alike.
void write_numbers(buffer& out, int count, int times = 1) {
  std::vector<int> keys;
  for (int round = 0; round < times; ++round)
    for (int i = 0; i < count; ++i)
      keys.push_back(i);
  encode(out, keys);
}

template <class T>
void check_too_slow(const buffer& bytes) {
  reader in{bytes.bytes()};
  CHECK_THROWS_AS(decode<T>(in), bulkhead::codec_error);
}

} // namespace

TEST_CASE("keys that all collide are refused before they cost a time that nobody bounds") {
  using colliding = std::unordered_set<int, all_in_one>;
  buffer distinct;
  write_numbers(distinct, 30'000);
  check_too_slow<colliding>(distinct);
  check_too_slow<std::unordered_multiset<int, all_in_one>>(distinct);
  buffer repeated; // no key is new after the first thousand
  write_numbers(repeated, 1000, 1000);
  check_too_slow<colliding>(repeated);
  buffer many; // each set is harmless
  constexpr std::uint64_t sets = 250;
  encode(many, sets);
  for (std::uint64_t i = 0; i < sets; ++i)
    write_numbers(many, 2000);
  check_too_slow<std::vector<colliding>>(many);
}

TEST_CASE("slow keys, and many equal ones, are no fault") {
  std::unordered_set<int, all_in_one> few;
  for (int i = 0; i < 2000; ++i)
    few.insert(i);
  CHECK(survives(few));
  std::unordered_multiset<int> equal;
  for (int i = 0; i < 100'000; ++i)
    equal.insert(7);
  CHECK(survives(equal));
  std::unordered_map<int, int> spread;
  for (int i = 0; i < 200'000; ++i)
    spread.emplace(i * 1024, i);
  CHECK(survives(spread));
}

TEST_CASE("values that cannot travel though their type can are refused by the writer") {
  buffer out;
  CHECK_THROWS_AS(encode(out, std::make_error_code(std::future_errc::no_state)),
                  bulkhead::codec_error);
  std::variant<int, std::string> empty;
  struct thrower {
    operator std::string() const { throw 1; }
  };
  CHECK_THROWS_AS(empty.emplace<std::string>(thrower()), int);
  if (empty.valueless_by_exception())
    CHECK_THROWS_AS(encode(out, empty), bulkhead::codec_error);
}

TEST_CASE("what holds an address is known at compile time") {
  struct pointer {
    int* p;
  };
  struct reference {
    int& r;
  };
  struct base : pointer {
    int x;
  };
  struct pointers {
    const char* names[3];
  };
  struct view {
    std::string_view v;
  };
  struct member {
    int plain::*m;
  };
  struct ok {
    long double d[2];
    colour c;
    int bit : 3;
  };
  static_assert(pointer_free<plain> && pointer_free<ok> && pointer_free<std::chrono::sys_days>);
  static_assert(!pointer_free<pointer> && !pointer_free<reference> && !pointer_free<base>);
  static_assert(!pointer_free<pointers> && !pointer_free<view> && !pointer_free<member>);
  static_assert(!pointer_free<std::array<std::array<int*, 2>, 2>>);
  static_assert(!encodable<int*> && !encodable<std::string_view> && !encodable<std::span<int>>);
  static_assert(!encodable<std::vector<const char*>> && !encodable<std::shared_ptr<int>>);
  static_assert(!encodable<std::atomic<int>> && !encodable<std::tuple<int&>>);
  static_assert(encodable<std::map<int, std::vector<std::tuple<std::string, tree>>>>);
  int i = 0;
  std::array<const char*, 2> names{};
  const auto by_value = [i] { return i; };
  const auto by_reference = [&i] { return i; };
  const auto array = [names] { return names[0]; };
  const auto nested = [array, i] { return array() != nullptr && i == 0; };
  static_assert(pointer_free<decltype(by_value)> && !pointer_free<decltype(by_reference)>);
  static_assert(!pointer_free<decltype(array)> && !pointer_free<decltype(nested)>);
}
