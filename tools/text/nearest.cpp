#include "tools/text/nearest.hpp"

#include <algorithm>
#include <cctype>

#include <fmt/format.h>

namespace bulkhead::config {

namespace {

constexpr std::size_t compared_bytes = 64; // no key is longer; bounds the cost on hostile input

std::string folded(std::string_view word) {
  std::string out;
  for (const char c : word.substr(0, compared_bytes))
    out +=
      c == '-' || c == ' ' ? '_' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

/// Edit distance with swapped neighbours (optimal string alignment).
std::size_t distance(const std::string& a, const std::string& b) {
  std::vector<std::vector<std::size_t>> d(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i)
    d[i][0] = i;
  for (std::size_t j = 0; j <= b.size(); ++j)
    d[0][j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i)
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, replaced});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
    }
  return d[a.size()][b.size()];
}

} // namespace

std::optional<std::string> nearest(std::string_view word, const std::vector<std::string>& known) {
  const auto wanted = folded(word);
  std::optional<std::string> best;
  auto least = std::max<std::size_t>(1, wanted.size() / 3) + 1;
  for (const auto& candidate : known) {
    const auto shape = folded(candidate);
    auto apart = distance(wanted, shape);
    // "timeout" for "task_timeout" is an abbreviation, not a misspelling.
    if (wanted.size() >= 4
        && (shape.find(wanted) != std::string::npos
            || (shape.size() >= 4 && wanted.find(shape) != std::string::npos)))
      apart = std::min<std::size_t>(apart, 2);
    if (apart < least) {
      least = apart;
      best = candidate;
    }
  }
  return best;
}

std::string did_you_mean(std::string_view word, const std::vector<std::string>& known) {
  const auto meant = nearest(word, known);
  return meant ? fmt::format("did you mean \"{}\"?", *meant) : std::string{};
}

std::string listed(const std::vector<std::string>& words, std::size_t limit) {
  std::string out;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i == limit)
      return out + fmt::format(" and {} more", words.size() - limit);
    if (i > 0)
      out += i + 1 == words.size() ? " or " : ", ";
    out += words[i];
  }
  return out;
}

} // namespace bulkhead::config
