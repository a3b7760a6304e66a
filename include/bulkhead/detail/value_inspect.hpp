#pragma once

#include <bulkhead/detail/value_containers.hpp>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

// User types with `inspect`: objects by field name in CAF's 1.x style, lists in the 0.17 style.
namespace bulkhead::detail {

/// What a part that no file can hold looks like in a report.
template <class T>
value to_value(const T& part) {
  if constexpr (convertible<T>)
    return converter<T>::to(part);
  else
    return value("<" + type_name<T>() + ">");
}

template <class T>
T from_value(const value& given, const place& at) {
  if constexpr (convertible<T>)
    return converter<T>::from(given, at);
  else
    throw_misplaced(at, type_name<T>() + " cannot be written in a configuration file");
}

class value_writer : public inspector<value_writer, false> {
public:
  template <class T>
  bool on_value(const T& part) {
    parts_.push_back(to_value(part));
    return true;
  }
  template <class T>
  bool on_field(std::string_view name, const T& part, bool) {
    members_.push_back({std::string(name), to_value(part)});
    return true;
  }

  value result() && {
    if (parts_.empty())
      return value(std::move(members_));
    return value(std::move(parts_));
  }

private:
  value::array parts_;
  value::object members_;
};

class value_reader : public inspector<value_reader, true> {
public:
  value_reader(const value& given, const place& at) : given_(given), at_(at) {}

  template <class T>
  bool on_value(T& part) {
    const auto& list = expect_list(given_, at_);
    if (next_ >= list.size())
      throw_misplaced(at_, "only " + std::to_string(list.size()) + " parts given, " + type_name<T>()
                             + " expected behind them");
    part = from_value<T>(list[next_], place(at_, next_));
    ++next_;
    return true;
  }

  template <class T>
  bool on_field(std::string_view name, T& part, bool has_fallback) {
    if (given_.as<value::object>() == nullptr)
      throw_unexpected(at_, "an object", given_);
    names_.push_back(name);
    const auto* found = given_.find(name);
    if (found != nullptr)
      part = from_value<T>(*found, place(at_, name));
    else if (!has_fallback && !std::is_constructible_v<T, std::nullopt_t>)
      throw_misplaced(at_, "member \"" + std::string(name) + "\" is missing");
    return true;
  }

  /// Nothing may be given that nobody asked for.
  void expect_all_used() const {
    if (const auto* list = given_.as<value::array>(); list != nullptr && next_ != list->size())
      throw_unexpected(at_, "a list of " + std::to_string(next_), given_);
    if (const auto* members = given_.as<value::object>())
      for (const auto& each : *members)
        if (std::ranges::find(names_, each.name) == names_.end())
          throw_misplaced(at_, "unknown member \"" + each.name + "\"");
  }

private:
  const value& given_;
  const place& at_;
  std::size_t next_ = 0;
  std::vector<std::string_view> names_;
};

/// Has an `inspect`, whether or not its bytes could travel as they are.
template <class T>
concept inspectable_by_value =
  std::is_class_v<T> && requires(value_writer& f, T& x) { inspect(f, x); };

template <inspectable_by_value T>
struct converter<T> {
  static constexpr bool supported = std::is_default_constructible_v<T>;

  static T from(const value& given, const place& at) {
    T made{};
    value_reader f{given, at};
    if (!run_inspect(f, made))
      throw_misplaced(at, "refused by the inspect() of " + type_name<T>());
    f.expect_all_used();
    return made;
  }
  static value to(const T& given) {
    value_writer f;
    run_inspect(f, const_cast<T&>(given));
    return std::move(f).result();
  }
};

} // namespace bulkhead::detail
