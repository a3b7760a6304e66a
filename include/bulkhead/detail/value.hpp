#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace bulkhead::detail {

/// A value as configuration files know it. What JSON and C++ types are both converted to, so that
/// neither has to know the other.
class value {
public:
  struct member;
  using array = std::vector<value>;
  using object = std::vector<member>; ///< in the order of the file

  value() noexcept = default; ///< null
  value(bool b);
  value(std::int64_t i);
  value(std::uint64_t u);
  value(double d);
  value(std::string s);
  value(array a);
  value(object o);
  value(const char*) = delete; // would be a bool

  template <class T>
  const T* as() const noexcept {
    return std::get_if<T>(&content_);
  }
  bool is_null() const noexcept { return as<std::monostate>() != nullptr; }

  /// The member of that name; null where this is no object or has none.
  const value* find(std::string_view name) const noexcept;

  /// "number 300", "text \"abc\"", "list of 3": for error texts.
  std::string describe() const;

  bool operator==(const value&) const;

private:
  std::variant<std::monostate, bool, std::int64_t, std::uint64_t, double, std::string, array,
               object>
    content_;
};

struct value::member {
  std::string name;
  value content;

  bool operator==(const member&) const = default;
};

// Here a member is complete, as the variant's destructor needs it.
inline value::value(bool b) : content_(b) {}
inline value::value(std::int64_t i) : content_(i) {}
inline value::value(std::uint64_t u) : content_(u) {}
inline value::value(double d) : content_(d) {}
inline value::value(std::string s) : content_(std::move(s)) {}
inline value::value(array a) : content_(std::move(a)) {}
inline value::value(object o) : content_(std::move(o)) {}
inline bool value::operator==(const value& other) const { return content_ == other.content_; }

} // namespace bulkhead::detail
