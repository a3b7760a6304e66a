// The codec: any bytes decode or are refused; what was decoded is written as bytes that decode to
// the same. The first byte chooses the type.
#include "tests/fuzz/require.hpp"

#include <bulkhead/detail/codec.hpp>
#include <bulkhead/error.hpp>

#include <algorithm>
#include <array>
#include <bitset>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <system_error>
#include <tuple>
#include <unordered_map>
#include <variant>
#include <vector>

using namespace bulkhead;
using namespace bulkhead::detail;

namespace {

struct record {
  std::string name;
  std::vector<std::pair<int, std::string>> notes;
  std::optional<double> weight;
  std::vector<record> parts;
};
template <class Inspector>
bool inspect(Inspector& f, record& x) {
  return f.object(x).fields(f.field("name", x.name), f.field("notes", x.notes),
                            f.field("weight", x.weight), f.field("parts", x.parts));
}

using choice = std::variant<bool, int, std::string, std::vector<bool>, record>;
using nested =
  std::map<std::string, std::vector<std::tuple<int, std::string, std::optional<bool>>>>;

template <class T>
inline constexpr bool has_order = true; // an unordered container is written in any order
template <class K, class V>
inline constexpr bool has_order<std::unordered_map<K, V>> = false;

template <class T>
void check(std::span<const std::byte> bytes) {
  const auto budget = 4096 + 64 * bytes.size();
  reader in{bytes, {.memory_bytes = budget, .elements = budget}};
  const T value = decode<T>(in);
  buffer written;
  encode(written, value);
  require(written.size() >= coder<T>::least_bytes);
  reader own{written.bytes()};
  const T same = decode<T>(own);
  own.expect_end();
  buffer again;
  encode(again, same);
  require(again.size() == written.size());
  if constexpr (has_order<T>)
    require(std::ranges::equal(again.bytes(), written.bytes()));
}

constexpr void (*checks[])(std::span<const std::byte>) = {
  check<bool>,
  check<std::string>,
  check<std::vector<double>>,
  check<std::vector<std::string>>,
  check<std::vector<bool>>,
  check<std::deque<std::vector<char>>>,
  check<std::list<char>>,
  check<std::set<std::string>>,
  check<std::multimap<int, std::string>>,
  check<std::unordered_map<std::string, bool>>,
  check<std::array<std::string, 3>>,
  check<choice>,
  check<std::vector<choice>>,
  check<std::vector<std::tuple<>>>,
  check<std::unique_ptr<std::vector<std::unique_ptr<int>>>>,
  check<std::vector<std::optional<std::array<double, 100>>>>,
  check<std::filesystem::path>,
  check<std::error_code>,
  check<std::bitset<77>>,
  check<nested>,
  check<record>,
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0)
    return 0;
  try {
    checks[data[0] % std::size(checks)](std::as_bytes(std::span(data + 1, size - 1)));
  } catch (const codec_error&) {
  }
  return 0;
}
