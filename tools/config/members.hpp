#pragma once

#include "tools/text/document.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bulkhead::config {

/// Reads the members of one object of a document into variables that already hold the defaults.
/// A member that is missing leaves its variable alone.
class members {
public:
  members(const document& from, pointer at, problems& found)
    : from_(from), at_(std::move(at)), found_(found) {}

  template <class T>
  void read(const char* key, T& to) const {
    if (const auto* value = find(key))
      to = value->get<T>();
  }

  /// null empties the variable.
  template <class T>
  void read(const char* key, std::optional<T>& to) const {
    if (const auto* value = find(key))
      to = value->is_null() ? std::optional<T>{} : value->get<T>();
  }

  void read_time(const char* key, std::chrono::nanoseconds& to) const;
  void read_bytes(const char* key, std::size_t& to) const;
  void read_bytes(const char* key, std::optional<std::uint64_t>& to) const;

  /// A word that stands for one value of an enumeration, in the order of its values.
  template <class Enum, std::size_t N>
  void read_word(const char* key, const std::string_view (&words)[N], Enum& to) const {
    if (const auto* value = find(key))
      for (std::size_t i = 0; i < N; ++i)
        if (*value == words[i])
          to = static_cast<Enum>(i);
  }

  /// A list of such words.
  template <class Enum, std::size_t N>
  void read_words(const char* key, const std::string_view (&words)[N],
                  std::vector<Enum>& to) const {
    const auto* list = find(key);
    if (list == nullptr)
      return;
    to.clear();
    for (const auto& value : *list)
      for (std::size_t i = 0; i < N; ++i)
        if (value == words[i])
          to.push_back(static_cast<Enum>(i));
  }

  /// The member, or null where it is missing.
  const json* find(const char* key) const;

private:
  std::uint64_t bytes_of(const char* key, const json& value) const;

  const document& from_;
  pointer at_;
  problems& found_;
};

} // namespace bulkhead::config
