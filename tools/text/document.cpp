#include "tools/text/document.hpp"

#include <algorithm>
#include <cctype>

namespace bulkhead::config {

namespace {

bool is_index(const std::string& token) {
  return !token.empty() && std::all_of(token.begin(), token.end(), [](unsigned char c) {
    return std::isdigit(c) != 0;
  });
}

std::vector<std::string> tokens_of(pointer at) {
  std::vector<std::string> tokens;
  for (; !at.empty(); at.pop_back())
    tokens.push_back(at.back());
  std::reverse(tokens.begin(), tokens.end());
  return tokens;
}

} // namespace

const mark* document::nearest_mark(pointer& at) const {
  while (true) {
    const auto found = marks_.find(at.to_string());
    if (found != marks_.end())
      return &found->second;
    if (at.empty())
      return nullptr;
    at.pop_back();
  }
}

place document::value_place(pointer at) const {
  const auto* found = nearest_mark(at);
  return found != nullptr ? found->value : place{};
}

place document::key_place(pointer at) const {
  const auto* found = nearest_mark(at);
  return found != nullptr ? found->key : place{};
}

bool document::replace(const pointer& at, const document& by) {
  auto* here = &root;
  for (const auto& token : tokens_of(at)) {
    if (here->is_null())
      *here = json::object();
    if (!here->is_object())
      return false;
    here = &(*here)[token];
  }
  *here = by.root;
  const auto prefix = at.to_string();
  for (auto it = marks_.lower_bound(prefix); it != marks_.end() && it->first.starts_with(prefix);) {
    const bool inside = it->first.size() == prefix.size() || it->first[prefix.size()] == '/';
    it = inside ? marks_.erase(it) : std::next(it);
  }
  // A command line argument is short enough to be a place as a whole.
  for (const auto& [below, m] : by.marks_)
    marks_[prefix + below] = {place{m.key.source}, place{m.value.source}};
  return true;
}

std::string path_text(const pointer& at) {
  std::string text;
  for (const auto& token : tokens_of(at)) {
    if (is_index(token))
      text += '[' + token + ']';
    else
      text += (text.empty() ? "" : ".") + token;
  }
  return text.empty() ? "the configuration" : text;
}

pointer parse_path(std::string_view path) {
  pointer at;
  while (!path.empty()) {
    const auto dot = path.find('.');
    at.push_back(std::string(path.substr(0, dot)));
    path = dot == std::string_view::npos ? std::string_view{} : path.substr(dot + 1);
  }
  return at;
}

} // namespace bulkhead::config
