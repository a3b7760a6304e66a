#pragma once

#include <bulkhead/detail/buffer.hpp>
#include <bulkhead/failure.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace bulkhead::runtime {

/// Texts of failures are cut to this many bytes, with a mark.
inline constexpr std::size_t max_text_bytes = 16 * 1024;

/// Cuts and makes it printable: NUL, control characters and invalid UTF-8 become '?'.
std::string printable(std::string_view text);

/// The exception that is being handled as a failure: type, text and what it was nested on. Never
/// throws.
failure describe_current_exception() noexcept;

/// What a worker says about a failed item: kind, type, message, whether it may have run, and where
/// the exception was thrown.
void encode_failure(detail::buffer& to, const failure& f);

/// False where the bytes are no failure: a bad message.
bool decode_failure(std::span<const std::byte> from, failure& f);

/// Where an exception was thrown, as numbers that travel; and back from any numbers.
std::vector<std::uint64_t> numbers_of(const code_trace& trace);
code_trace trace_of(const std::vector<std::uint64_t>& numbers);

/// Tells stderr what `who` has just thrown. Only within a catch block.
void report_exception_in(const char* who) noexcept;

} // namespace bulkhead::runtime
