#include "tools/text/json_scalars.hpp"

#include "tools/text/nearest.hpp"
#include "tools/text/shown.hpp"
#include "tools/text/utf8.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

#include <fmt/format.h>

namespace bulkhead::config {

namespace {

[[noreturn]] void fail(place where, std::string what, std::string expected, std::string remedy) {
  throw syntax_error{{std::move(where), std::move(what), std::move(expected), std::move(remedy)}};
}

std::uint32_t read_hex(json_scanner& scan, const place& where) {
  const auto digits = scan.rest().substr(0, 4);
  std::uint32_t unit = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), unit, 16);
  if (error != std::errc{} || end != digits.data() + 4)
    fail(where, "\\u is not followed by four hexadecimal digits", "\\u0041 for the letter A",
         "write four digits, or the character itself");
  scan.take_if(digits);
  return unit;
}

std::uint32_t read_code_point(json_scanner& scan, const place& where) {
  const auto first = read_hex(scan, where);
  if (first == 0)
    fail(where, "\\u0000 is a NUL character", "a text without NUL characters", "remove it");
  if (first < 0xD800 || first > 0xDFFF)
    return first;
  const bool pair = first < 0xDC00 && scan.take_if("\\u");
  const auto second = pair ? read_hex(scan, where) : 0;
  if (second < 0xDC00 || second > 0xDFFF)
    fail(where, "half of a surrogate pair stands alone", "two \\u escapes, or one of another range",
         "write the character itself");
  return 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
}

void read_escape(json_scanner& scan, std::string& to) {
  constexpr std::string_view letters = "\"\\/bfnrt";
  constexpr std::string_view meanings = "\"\\/\b\f\n\r\t";
  const auto where = scan.here();
  scan.take();
  if (scan.take_if("u"))
    return append_utf8(to, read_code_point(scan, where));
  const auto which = scan.at_end() ? std::string_view::npos : letters.find(scan.peek());
  if (which == std::string_view::npos)
    fail(where, fmt::format("\\{} is no escape", scan.rest().substr(0, 1)),
         "\\\" \\\\ \\/ \\b \\f \\n \\r \\t or \\u and four digits", "write \\\\ for a backslash");
  to += meanings[which];
  scan.take();
}

/// What is wrong with a word that is no number, true, false or null.
[[noreturn]] void refuse_word(const place& where, std::string_view word) {
  const std::string expected =
    "a value: text in double quotes, number, true, false, null, list, object";
  const bool numeric = word.find_first_of("0123456789") == 0 || word.starts_with('-')
                       || word.starts_with('+') || word.starts_with('.');
  const std::vector<std::string> constants{"true", "false", "null"};
  if (word == "NaN" || word == "nan" || word.ends_with("Infinity") || word.ends_with("inf"))
    fail(where, fmt::format("{} is no number that JSON knows", word), "a finite number",
         "leave the option out where there should be no limit");
  if (numeric && word.find_first_of("xX") == 1)
    fail(where, fmt::format("{} is a hexadecimal number", word), "a decimal number",
         "write it in decimal");
  if (numeric && word.find('_') != std::string_view::npos)
    fail(where, fmt::format("{} has underscores", word), "digits only", "remove the underscores");
  if (numeric && std::isdigit(static_cast<unsigned char>(word[0])) != 0
      && std::isalpha(static_cast<unsigned char>(word.back())) != 0)
    fail(where, fmt::format("{} has a unit but no quotes", word),
         "a number, or a number with its unit in double quotes", fmt::format("write \"{}\"", word));
  if (numeric)
    fail(where, fmt::format("{} is not written as JSON writes numbers", word),
         "a number such as 7, -7, 0.5 or 1e6",
         "no leading zeros, no leading +, a digit on both sides of the point");
  const auto meant = nearest(word, constants);
  fail(where, fmt::format("{} is not a value", word), expected,
       meant ? fmt::format("did you mean {}? A text needs double quotes", *meant)
             : fmt::format("write \"{}\" for a text", word));
}

/// True where the word is a number by JSON's grammar.
bool is_number(std::string_view word) {
  const auto digits = [&word] {
    const auto count = std::min(word.find_first_not_of("0123456789"), word.size());
    word.remove_prefix(count);
    return count;
  };
  if (word.starts_with('-'))
    word.remove_prefix(1);
  const bool zero = word.starts_with('0');
  const auto whole = digits();
  if (whole == 0 || (zero && whole > 1))
    return false;
  if (word.starts_with('.')) {
    word.remove_prefix(1);
    if (digits() == 0)
      return false;
  }
  if (word.starts_with('e') || word.starts_with('E')) {
    word.remove_prefix(1);
    if (word.starts_with('+') || word.starts_with('-'))
      word.remove_prefix(1);
    if (digits() == 0)
      return false;
  }
  return word.empty();
}

/// A number with a point or an exponent as digits times a power of ten, without outer zeros.
struct decimal {
  bool negative = false;
  std::string digits; ///< empty: zero
  std::int64_t exponent = 0;
};

decimal decimal_of(std::string_view word) {
  decimal d;
  d.negative = word.starts_with('-');
  const auto e = std::min(word.find_first_of("eE"), word.size());
  bool fraction = false;
  for (const char c : word.substr(0, e)) {
    if (c >= '0' && c <= '9') {
      d.digits += c;
      d.exponent -= fraction ? 1 : 0;
    }
    fraction = fraction || c == '.';
  }
  constexpr std::int64_t beyond_all = 1'000'000'000; // an exponent of more digits changes nothing
  const auto power = e < word.size() ? word.substr(e + 1) : std::string_view("0");
  const auto sign = power.starts_with('-') ? -1 : 1;
  const auto bare = power.substr(std::min(power.find_first_of("0123456789"), power.size()));
  std::int64_t written = 0;
  if (std::from_chars(bare.data(), bare.data() + bare.size(), written).ec != std::errc{})
    written = beyond_all;
  d.exponent += sign * std::min(written, beyond_all);
  d.digits.erase(0, std::min(d.digits.find_first_not_of('0'), d.digits.size()));
  for (; d.digits.ends_with('0'); ++d.exponent)
    d.digits.pop_back();
  return d;
}

/// The whole number that the word is, where 64 bits hold it.
std::optional<json> whole_of(std::string_view word) {
  const auto* end = word.data() + word.size();
  std::int64_t whole = 0;
  if (const auto read = std::from_chars(word.data(), end, whole);
      read.ec == std::errc{} && read.ptr == end)
    return json(whole);
  std::uint64_t larger = 0;
  if (const auto read = std::from_chars(word.data(), end, larger);
      read.ec == std::errc{} && read.ptr == end)
    return json(larger);
  return std::nullopt;
}

/// As JSON Schema sees it, 1e3 and 4.0 are whole numbers; -0.0 is not, as its sign would be lost.
std::optional<json> whole_of(const decimal& d) {
  constexpr std::int64_t most_digits = 20;
  if (d.digits.empty())
    return d.negative ? std::nullopt : std::optional<json>(json(std::int64_t{0}));
  if (d.exponent < 0 || d.exponent > most_digits)
    return std::nullopt;
  return whole_of((d.negative ? "-" : "") + d.digits
                  + std::string(static_cast<std::size_t>(d.exponent), '0'));
}

json read_number(const place& where, const std::string& path, std::string_view word,
                 problems& found) {
  const auto refuse = [&](std::string_view why, std::string_view range) {
    found.add_last(problem{where, fmt::format("{} is {}, {}", path, shortened(word, 40), why),
                           std::string(range), "write a smaller number"});
    return json(nullptr);
  };
  if (word.find_first_of(".eE") == std::string_view::npos) {
    const auto whole = whole_of(word);
    return whole ? *whole
                 : refuse("which does not fit in 64 bits",
                          "a whole number from -9223372036854775808 to 18446744073709551615");
  }
  const auto exact = decimal_of(word);
  if (const auto whole = whole_of(exact))
    return *whole;
  double real = 0;
  const auto read = std::from_chars(word.data(), word.data() + word.size(), real);
  const auto magnitude = static_cast<std::int64_t>(exact.digits.size()) + exact.exponent;
  if (read.ec != std::errc{} && magnitude > 0)
    return refuse("which is too large for a number", "a number from -1.7e308 to 1.7e308");
  if (read.ec != std::errc{}) // too small for a number: the nearest one is zero
    real = exact.negative ? -0.0 : 0.0;
  return real;
}

} // namespace

json read_text(json_scanner& scan, problems&) {
  const auto open = scan.here();
  std::string text;
  scan.take();
  while (!scan.take_if("\"")) {
    if (scan.at_end() || scan.peek() == '\n' || scan.peek() == '\r')
      fail(open, "this text does not end on its line", "a closing double quote",
           "write \" where it ends, and \\n for a new line");
    if (static_cast<unsigned char>(scan.peek()) < 0x20)
      fail(scan.here(),
           fmt::format("the control character {} stands in a text", scan.rest().substr(0, 1)),
           "printable characters", "write \\t for a tab, \\u and four digits for others");
    if (scan.peek() == '\\')
      read_escape(scan, text);
    else
      text += scan.take();
  }
  return text;
}

json read_word(json_scanner& scan, const std::string& path, problems& found) {
  const auto where = scan.here();
  if (scan.peek() == '\'')
    fail(where, "this text has single quotes", "text in double quotes", "write \"...\"");
  const auto word = scan.take_word();
  if (word == "true" || word == "false")
    return word == "true";
  if (word == "null")
    return nullptr;
  if (is_number(word))
    return read_number(where, path, word, found);
  if (!word.empty())
    refuse_word(where, word);
  const auto next =
    scan.at_end() ? "the end of the file" : fmt::format("'{}'", scan.rest().substr(0, 1));
  fail(where, fmt::format("{} stands where a value should be", next),
       "text in double quotes, number, true, false, null, list or object", "write the value");
}

} // namespace bulkhead::config
