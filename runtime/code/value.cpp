#include <bulkhead/detail/value.hpp>

#include <bulkhead/detail/value_place.hpp>
#include <bulkhead/error.hpp>

#include <charconv>

namespace bulkhead::detail {
namespace {

constexpr std::size_t longest_quote = 40;

struct describer {
  std::string operator()(std::monostate) const { return "null"; }
  std::string operator()(bool b) const { return b ? "true" : "false"; }
  std::string operator()(std::int64_t i) const { return "number " + std::to_string(i); }
  std::string operator()(std::uint64_t u) const { return "number " + std::to_string(u); }
  std::string operator()(double d) const {
    char text[32];
    const auto end = std::to_chars(text, text + sizeof text, d).ptr;
    return "number " + std::string(text, end);
  }
  std::string operator()(const std::string& s) const {
    if (s.size() <= longest_quote)
      return "text \"" + s + '"';
    return "text \"" + s.substr(0, longest_quote) + "...\"";
  }
  std::string operator()(const value::array& a) const {
    return "list of " + std::to_string(a.size());
  }
  std::string operator()(const value::object& o) const {
    return "object with " + std::to_string(o.size()) + (o.size() == 1 ? " member" : " members");
  }
};

} // namespace

const value* value::find(std::string_view name) const noexcept {
  const auto* members = as<object>();
  if (members == nullptr)
    return nullptr;
  for (const auto& each : *members)
    if (each.name == name)
      return &each.content;
  return nullptr;
}

std::string value::describe() const { return std::visit(describer{}, content_); }

std::string place::text() const {
  if (outer_ == nullptr)
    return std::string(name_);
  if (name_.empty())
    return outer_->text() + '[' + std::to_string(index_) + ']';
  return outer_->text() + '.' + std::string(name_);
}

void throw_unexpected(const place& at, std::string_view expected, const value& given) {
  throw config_error(at.text() + ": expected " + std::string(expected) + ", got "
                     + given.describe());
}

void throw_misplaced(const place& at, std::string_view what) {
  throw config_error(at.text() + ": " + std::string(what));
}

} // namespace bulkhead::detail
