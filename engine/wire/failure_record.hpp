#pragma once

#include "engine/wire/messages.hpp"

#include <bulkhead/failure.hpp>

#include <optional>

namespace bulkhead::engine {

/// All that a failure says, exit status, backtrace, last output and where it was thrown too.
packed_bytes encode_record(const failure& f);

/// Empty where the bytes are none.
std::optional<failure> decode_record(std::span<const std::byte> from);

} // namespace bulkhead::engine
