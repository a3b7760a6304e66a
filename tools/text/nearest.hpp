#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bulkhead::config {

/// The known word that is most likely meant by `word`: the smallest edit distance (insertions,
/// deletions, replacements, swapped neighbours; case ignored). Empty where nothing is close.
std::optional<std::string> nearest(std::string_view word, const std::vector<std::string>& known);

/// " Did you mean X?" as part of a remedy, or empty.
std::string did_you_mean(std::string_view word, const std::vector<std::string>& known);

/// "a, b or c", at most `limit` of them.
std::string listed(const std::vector<std::string>& words, std::size_t limit = 40);

} // namespace bulkhead::config
