#pragma once

#include "tools/text/document.hpp"

namespace bulkhead::config {

/// A value that does not fit its part of the schema.
problem explain_misfit(const document& job, const pointer& at);

/// A key that the schema does not know; `around` is the part that describes its object.
problem explain_unknown(const document& job, const pointer& at, const json& around);

/// A key that must be there and is not.
problem explain_missing(const document& job, const pointer& object, const std::string& key);

/// What a part of the schema asks for, in words: its "x-expected", or made of type and range.
std::string expectation(const json& part);

} // namespace bulkhead::config
