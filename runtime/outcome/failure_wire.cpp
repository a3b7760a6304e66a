#include "runtime/outcome/failure_wire.hpp"

#include <bulkhead/detail/codec.hpp>
#include <bulkhead/detail/type_name.hpp>
#include <bulkhead/detail/validated.hpp>
#include <bulkhead/error.hpp>

#include <cxxabi.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <exception>
#include <new>
#include <utility>
#include <vector>

// Failures as bytes and texts. What a worker says is cut to bounded, valid UTF-8 without control
// characters before anybody prints it: it may go to a terminal or a log.
namespace bulkhead::runtime {

namespace {

/// Length of the UTF-8 sequence at `text`, 0 where it is none.
std::size_t utf8_length(std::string_view text) noexcept {
  const auto lead = static_cast<unsigned char>(text[0]);
  const std::size_t length = lead < 0x80 ? 1 : lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if ((lead >= 0x80 && lead < 0xc2) || lead > 0xf4 || length > text.size())
    return 0;
  for (std::size_t i = 1; i < length; ++i)
    if ((static_cast<unsigned char>(text[i]) & 0xc0) != 0x80)
      return 0;
  if (length < 3)
    return length;
  // The second byte decides overlong forms, surrogates and the upper end of Unicode.
  const auto second = static_cast<unsigned char>(text[1]);
  const bool ill_formed = (lead == 0xe0 && second < 0xa0) || (lead == 0xed && second > 0x9f)
                          || (lead == 0xf0 && second < 0x90) || (lead == 0xf4 && second > 0x8f);
  return ill_formed ? 0 : length;
}

bool is_control(char c) noexcept {
  const auto u = static_cast<unsigned char>(c);
  return (u < 0x20 && c != '\n' && c != '\t') || u == 0x7f;
}

/// Frames of a throw that travel; three numbers each.
constexpr std::size_t most_frames = 48;

std::string_view bounded(const char* text) noexcept {
  return text == nullptr ? std::string_view{"(no text)"}
                         : std::string_view{text, ::strnlen(text, max_text_bytes + 1)};
}

// what() is the user's code; its text may be endless, and so may the chain of nested exceptions, so
// both are bounded.
std::string text_of(const std::exception& e, int depth) {
  std::string text = printable(bounded(e.what()));
  if (depth == 8)
    return text;
  try {
    std::rethrow_if_nested(e);
  } catch (const std::exception& inner) {
    text += "\n  caused by: " + text_of(inner, depth + 1);
  } catch (...) {
    text += "\n  caused by an exception that is no std::exception";
  }
  return text;
}

std::string current_type() {
  const auto* type = abi::__cxa_current_exception_type();
  return type == nullptr ? "unknown" : detail::type_name(*type);
}

void fill(failure& f) {
  f.type = current_type();
  try {
    throw;
  } catch (const codec_error& e) {
    f.kind = failure_kind::codec;
    f.message = text_of(e, 0);
  } catch (const std::exception& e) {
    f.message = text_of(e, 0);
  } catch (const char* text) {
    f.message = printable(bounded(text));
  } catch (const std::string& text) {
    f.message = printable(text);
  } catch (...) {
    f.message = "an exception of type " + f.type + ", which is not derived from std::exception";
  }
}

} // namespace

std::string printable(std::string_view text) {
  std::string clean;
  const bool cut = !detail::validated("text.length", text.size() <= max_text_bytes);
  text = text.substr(0, cut ? max_text_bytes : text.size());
  clean.reserve(text.size());
  while (!text.empty()) {
    const auto length = utf8_length(text);
    const auto bytes = std::max<std::size_t>(length, 1);
    if (detail::validated("text.utf8", length != 0)
        && detail::validated("text.control", !is_control(text[0])))
      clean += text.substr(0, bytes);
    else
      clean += '?';
    text.remove_prefix(bytes);
  }
  if (cut)
    clean += " [... cut]";
  return clean;
}

failure describe_current_exception() noexcept {
  failure f;
  f.kind = failure_kind::task_exception;
  f.may_have_executed = true;
  try {
    fill(f);
  } catch (...) { // its what() or its copy threw
    try {
      f.message = "an exception whose own description failed";
    } catch (...) {
      f.message.clear();
    }
  }
  return f;
}

std::vector<std::uint64_t> numbers_of(const code_trace& trace) {
  std::vector<std::uint64_t> numbers;
  for (const auto& frame : trace.frames().first(std::min(most_frames, trace.frames().size())))
    numbers.insert(numbers.end(), {frame.address, frame.module, frame.offset});
  return numbers;
}

// They are only looked up, so any number will do.
code_trace trace_of(const std::vector<std::uint64_t>& numbers) {
  std::vector<code_trace::frame> frames;
  for (std::size_t i = 0; i + 3 <= numbers.size() && frames.size() < most_frames; i += 3)
    frames.push_back({numbers[i], numbers[i + 1], numbers[i + 2]});
  return code_trace{std::move(frames)};
}

void encode_failure(detail::buffer& to, const failure& f) {
  detail::encode(to, static_cast<std::uint8_t>(f.kind));
  detail::encode(to, f.may_have_executed);
  // Cut here as well: the host would do it anyway, and the ring is small.
  detail::encode(to, f.type.substr(0, max_text_bytes));
  detail::encode(to, f.message.substr(0, 2 * max_text_bytes));
  detail::encode(to, numbers_of(f.thrown_at));
}

bool decode_failure(std::span<const std::byte> from, failure& f) try {
  detail::reader in{from};
  const auto kind = detail::decode<std::uint8_t>(in);
  // A worker may only say what its task did, not what became of the worker or the pool.
  const auto allowed = static_cast<failure_kind>(kind);
  const bool of_task = allowed == failure_kind::task_exception || allowed == failure_kind::timeout
                       || allowed == failure_kind::too_large || allowed == failure_kind::codec;
  if (!detail::validated("failure.kind", of_task))
    return false;
  f.kind = allowed;
  f.may_have_executed = detail::decode<bool>(in);
  f.type = printable(detail::decode<std::string>(in));
  f.message = printable(detail::decode<std::string>(in));
  f.thrown_at = trace_of(detail::decode<std::vector<std::uint64_t>>(in));
  in.expect_end();
  return true;
} catch (const codec_error&) {
  return false;
}

void report_exception_in(const char* who) noexcept try {
  const auto what = describe_current_exception();
  std::fprintf(stderr, "bulkhead: %s threw %s: %s\n", who, what.type.c_str(), what.message.c_str());
} catch (const std::exception&) { // no memory for the words
  std::fprintf(stderr, "bulkhead: %s threw\n", who);
}

} // namespace bulkhead::runtime
