#pragma once

#include "tools/text/document.hpp"

#include <bulkhead/detail/task_entry.hpp>

#include <span>
#include <string>
#include <vector>

namespace bulkhead::config {

/// JSON as the values that tasks are called with, and back.
detail::value to_value(const json& from);

/// What JSON cannot hold is written as text: "NaN", "Infinity", "-Infinity"; see text_json.
json to_json(const detail::value& from);

/// A text, or {"base64": "..."} where it is not UTF-8.
json text_json(const std::string& text);

/// The arguments of one call: the input first, or its elements where it is spread, then the fixed
/// ones. `input` may be null: no input.
std::vector<detail::value> call_arguments(const json* input, bool spread,
                                          const std::vector<json>& args);

/// "list of text", "whole number", "word_count::counts": an argument's or result's type for people.
std::string type_text(const std::type_info& type);

/// "(text, whole number) -> list of text"
std::string signature_text(const detail::task_entry& task);

/// The task takes one list of `element`, so that results can be merged by it.
bool takes_list_of(const detail::task_entry& task, const std::type_info& element);

} // namespace bulkhead::config
