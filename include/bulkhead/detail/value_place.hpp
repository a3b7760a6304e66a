#pragma once

#include <bulkhead/detail/value.hpp>

#include <cstddef>
#include <string>
#include <string_view>

namespace bulkhead::detail {

/// Where in a larger value a part stands, for error texts: "argument 2.points[3].x". Lives on the
/// stack of the conversion and borrows its outer place and name.
class place {
public:
  explicit place(std::string_view name) : name_(name) {}
  place(const place& outer, std::string_view name) : outer_(&outer), name_(name) {}
  place(const place& outer, std::size_t index) : outer_(&outer), index_(index) {}

  std::string text() const;

private:
  const place* outer_ = nullptr;
  std::string_view name_;
  std::size_t index_ = 0;
};

/// Throws config_error: "<place>: expected <expected>, got <given>".
[[noreturn]] void throw_unexpected(const place& at, std::string_view expected, const value& given);
/// Throws config_error: "<place>: <what>".
[[noreturn]] void throw_misplaced(const place& at, std::string_view what);

} // namespace bulkhead::detail
