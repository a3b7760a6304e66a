#include "tools/system/message_json.hpp"

#include "tools/config/task_call.hpp"
#include "tools/text/nearest.hpp"
#include "tools/text/shown.hpp"

#include <bulkhead/detail/type_name.hpp>
#include <bulkhead/detail/value_containers.hpp>
#include <bulkhead/detail/value_convert.hpp>
#include <bulkhead/error.hpp>

#include <caf/message_builder.hpp>

#include <cstdint>

#include <fmt/format.h>

#if BULKHEAD_CAF_0
#  include <caf/atom.hpp>
#endif

namespace bulkhead::systems {

namespace {

using detail::place;

/// One type that a file can hold.
struct kind {
  std::string word;
  const std::type_info* type;
  void (*append)(caf::message_builder& to, const json& from, const place& at);
  bool (*matches)(const caf::message& in, std::size_t at);
  json (*read)(const caf::message& in, std::size_t at);
};

template <class T>
kind make_kind(std::string word) {
  return {std::move(word), &typeid(T),
          [](caf::message_builder& to, const json& from, const place& at) {
            to.append(detail::converter<T>::from(config::to_value(from), at));
          },
          [](const caf::message& in, std::size_t at) { return in.match_element<T>(at); },
          [](const caf::message& in, std::size_t at) {
            return config::to_json(detail::converter<T>::to(in.get_as<T>(at)));
          }};
}

template <class T>
void add_kinds(std::vector<kind>& to, const std::string& word) {
  to.push_back(make_kind<T>(word));
  to.push_back(make_kind<std::vector<T>>("list of " + word));
}

#if BULKHEAD_CAF_0
// An atom is a number of ten characters at most: what does not come back was none.
void append_atom(caf::message_builder& to, const json& from, const place& at) {
  const auto text = detail::converter<std::string>::from(config::to_value(from), at);
  const auto atom = text.size() > 10 ? caf::atom("") : caf::atom_from_string(text);
  if (text.empty() || caf::to_string(atom) != text)
    detail::throw_unexpected(at, "an atom: 1 to 10 letters, digits, spaces or underscores",
                             config::to_value(from));
  to.append(atom);
}

kind atom_kind() {
  return {
    "atom", &typeid(caf::atom_value), &append_atom,
    [](const caf::message& in, std::size_t at) { return in.match_element<caf::atom_value>(at); },
    [](const caf::message& in, std::size_t at) {
      return json{{"atom", caf::to_string(in.get_as<caf::atom_value>(at))}};
    }};
}
#endif

const std::vector<kind>& kinds() {
  static const auto all = [] {
    std::vector<kind> made;
    add_kinds<std::string>(made, "text");
    add_kinds<bool>(made, "bool");
    add_kinds<std::int32_t>(made, "int32");
    add_kinds<std::int64_t>(made, "int64");
    add_kinds<double>(made, "double");
    made.push_back(make_kind<std::int8_t>("int8"));
    add_kinds<std::uint8_t>(made, "uint8");
    add_kinds<std::int16_t>(made, "int16");
    add_kinds<std::uint16_t>(made, "uint16");
    add_kinds<std::uint32_t>(made, "uint32");
    add_kinds<std::uint64_t>(made, "uint64");
    add_kinds<float>(made, "float");
#if BULKHEAD_CAF_0
    made.push_back(atom_kind());
#endif
    return made;
  }();
  return all;
}

const kind* kind_of(const std::type_info& type) {
  const auto& wide = type == typeid(long long)            ? typeid(std::int64_t)
                     : type == typeid(unsigned long long) ? typeid(std::uint64_t)
                                                          : type;
  for (const auto& each : kinds())
    if (*each.type == wide)
      return &each;
  return nullptr;
}

const kind* kind_named(const std::string& word) {
  for (const auto& each : kinds())
    if (each.word == word)
      return &each;
  return nullptr;
}

/// What a plain value is where nobody says its type; null: it does not tell.
const kind* natural(const json& value) {
  if (value.is_string())
    return kind_named("text");
  if (value.is_boolean())
    return kind_named("bool");
  if (value.is_number_float())
    return kind_named("double");
  if (value.is_number_unsigned() && value.get<std::uint64_t>() > INT64_MAX)
    return kind_named("uint64");
  if (value.is_number_integer()) {
    const auto number = value.get<std::int64_t>();
    return kind_named(number >= INT32_MIN && number <= INT32_MAX ? "int32" : "int64");
  }
  if (!value.is_array() || value.empty())
    return nullptr;
  const auto* first = natural(value[0]);
  for (const auto& each : value)
    if (const auto* other = natural(each); other != first)
      return nullptr;
  return first != nullptr ? kind_named("list of " + first->word) : nullptr;
}

std::string all_words() {
  std::vector<std::string> words;
  for (const auto& each : kinds())
    words.push_back(each.word);
  words.emplace_back("actor");
  return config::listed(words);
}

class message_maker {
public:
  explicit message_maker(const actor_lookup& find) : find_(find) {}

  void append(const json& value, const behavior_interface::element* type, const place& at) {
    if (value.is_object() && value.size() == 1)
      return append_named(value.begin().key(), value.begin().value(), type, at);
    if (type == nullptr) {
      const auto* own = natural(value);
      if (own == nullptr)
        detail::throw_unexpected(
          at, "a value whose type shows, or {\"TYPE\": value} with TYPE " + all_words(),
          config::to_value(value));
      return own->append(made_, value, at);
    }
    append_as(value, *type, at);
  }

  caf::message result() { return made_.to_message(); }

private:
  void append_as(const json& value, const behavior_interface::element& type, const place& at) {
    if (*type.type == typeid(caf::actor))
      detail::throw_unexpected(at, "{\"actor\": NAME}", config::to_value(value));
    const auto* due = kind_of(*type.type);
    if (due == nullptr)
      detail::throw_misplaced(at, detail::type_name(*type.type) + " cannot be written in a file");
    if (!type.atom.empty() && value != type.atom)
      detail::throw_unexpected(at, "the atom \"" + type.atom + '"', config::to_value(value));
    due->append(made_, value, at);
  }

  void append_named(const std::string& word, const json& value,
                    const behavior_interface::element* type, const place& at) {
    if (word == "actor") {
      if (type != nullptr && *type->type != typeid(caf::actor))
        detail::throw_unexpected(at, words_of({*type}), config::to_value(json{{word, value}}));
      made_.append(find_(detail::converter<std::string>::from(config::to_value(value), at)));
      return;
    }
    const auto* own = kind_named(word);
    if (own == nullptr)
      detail::throw_unexpected(at, "{\"TYPE\": value} with TYPE " + all_words(),
                               config::to_value(json{{word, value}}));
    if (type == nullptr)
      return own->append(made_, value, at);
    if (kind_of(*type->type) != own)
      detail::throw_unexpected(at, words_of({*type}), config::to_value(json{{word, value}}));
    append_as(value, *type, at);
  }

  const actor_lookup& find_;
  caf::message_builder made_;
};

} // namespace

caf::message to_message(const std::vector<json>& values,
                        const std::vector<behavior_interface::element>* types,
                        const actor_lookup& find) {
  if (types != nullptr && types->size() != values.size())
    throw config_error(fmt::format("expected {} value{} {}, got {}", types->size(),
                                   types->size() == 1 ? "" : "s", words_of(*types), values.size()));
  message_maker maker{find};
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto name = fmt::format("element {}", i + 1);
    maker.append(values[i], types == nullptr ? nullptr : &(*types)[i], place{name});
  }
  return maker.result();
}

json to_json(const caf::message& message) {
  json list = json::array();
  for (std::size_t i = 0; i < message.size(); ++i) {
    json value;
    for (const auto& each : kinds())
      if (value.is_null() && each.matches(message, i))
        value = each.read(message, i);
    if (value.is_null())
      value = message.match_element<caf::actor>(i) ? "<actor>" : "<another type>";
    list.push_back(std::move(value));
  }
  return list;
}

std::string words_of(const std::vector<behavior_interface::element>& types) {
  std::string text;
  for (const auto& each : types) {
    const auto* known = kind_of(*each.type);
    text += text.empty() ? "" : ", ";
    if (!each.atom.empty())
      text += "atom \"" + each.atom + '"';
    else if (*each.type == typeid(caf::actor))
      text += "actor";
    else
      text += known != nullptr ? known->word : detail::type_name(*each.type);
  }
  return '(' + text + ')';
}

bool is_known(const behavior_interface::element& type) {
  return *type.type == typeid(caf::actor) || kind_of(*type.type) != nullptr;
}

} // namespace bulkhead::systems
