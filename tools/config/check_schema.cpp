#include "tools/config/check_schema.hpp"

#include "tools/config/explain.hpp"
#include "tools/config/schema.hpp"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wconversion"
#include <valijson/adapters/nlohmann_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validator.hpp>
#pragma GCC diagnostic pop

// valijson finds the values that do not fit; keys and lists are looked at here, because its words
// about them name the container and not the place. Whatever is wrong is removed, so that each fault
// is told once.
namespace bulkhead::config {

namespace {

using adapter = valijson::adapters::NlohmannJsonAdapter;

void remove(document& job, pointer at) {
  // What is left of a list with a wrong element would be another list.
  while (!at.empty() && job.root.at(at.parent_pointer()).is_array())
    at.pop_back();
  if (at.empty())
    job.root = json::object();
  else
    job.root.at(at.parent_pointer()).erase(at.back());
}

/// The number of elements, and that they differ where they have to. A wrong list is removed.
void check_list(document& job, const pointer& at, const json& part, problems& found) {
  const auto& list = job.root.at(at);
  const bool differ = part.is_object() && part.value("uniqueItems", false);
  const bool long_list = part.is_object() && list.size() > part.value("maxItems", SIZE_MAX);
  if (!long_list && (!differ || std::set<json>(list.begin(), list.end()).size() == list.size()))
    return;
  found.add(explain_misfit(job, at));
  remove(job, at);
}

void check_keys(document& job, const pointer& at, const json& part, problems& found);

/// Of the objects in a list, whose form is one.
void check_elements(document& job, const pointer& at, const json& part, problems& found) {
  const auto element = part_below(part, "0");
  const auto count = job.root.at(at).size();
  for (std::size_t i = 0; element.is_object() && element.contains("properties") && i < count; ++i)
    check_keys(job, at / i, element, found);
}

/// Unknown and missing keys of an object and of what is in it.
void check_keys(document& job, const pointer& at, const json& part, problems& found) {
  const auto& value = job.root.at(at);
  if (value.is_array()) {
    check_elements(job, at, part, found);
    return check_list(job, at, part, found);
  }
  if (!value.is_object() || !part.contains("properties"))
    return;
  std::vector<std::string> known;
  std::vector<std::string> unknown;
  for (const auto& [key, content] : value.items()) {
    if (part["properties"].contains(key))
      known.push_back(key);
    else
      unknown.push_back(key);
  }
  for (const auto& key : known) // a list that is wrong is removed
    check_keys(job, at / key, part_below(part, key), found);
  for (const auto& key : unknown)
    found.add(explain_unknown(job, at / key, part));
  // By what was there: a value that was removed above is not missing.
  for (const auto& key : part.value("required", json::array()))
    if (std::find(known.begin(), known.end(), key.get<std::string>()) == known.end())
      found.add(explain_missing(job, at, key.get<std::string>()));
  for (const auto& key : unknown)
    job.root.at(at).erase(key);
}

/// valijson's context: "<root>", "[pool]", "[workers]", "[3]".
pointer pointer_of(const std::vector<std::string>& context) {
  pointer at;
  for (const auto& token : context)
    if (token.starts_with('['))
      at.push_back(token.substr(1, token.size() - 2));
  return at;
}

/// The schema without what check_list looks at: valijson compares each element with each other.
json without_list_rules(json part) {
  if (part.is_object())
    part.erase("uniqueItems");
  if (part.is_structured())
    for (auto& below : part)
      below = without_list_rules(std::move(below));
  return part;
}

/// valijson takes whole numbers as signed ones: those beyond become real, which no option is.
json as_validated(json value) {
  if (value.is_number_unsigned() && value.get<std::uint64_t>() > INT64_MAX)
    return value.get<double>();
  if (value.is_structured())
    for (auto& below : value)
      below = as_validated(std::move(below));
  return value;
}

/// Complaints that others explain: about keys, and about what is in a container.
constexpr std::string_view repeated[] = {
  "Object contains a property", "Missing required", "Failed to validate item",
  "Failed to validate against schema associated with property"};

/// The places that valijson complains about. A container is left out where its complaint only
/// repeats that of a value in it, and so are complaints about keys, which check_keys explains.
std::set<pointer> misfits(const document& job) {
  valijson::Schema compiled;
  const auto rules = without_list_rules(schema());
  valijson::SchemaParser{}.populateSchema(adapter{rules}, compiled);
  valijson::ValidationResults results;
  const auto seen = as_validated(job.root);
  valijson::Validator{}.validate(compiled, adapter{seen}, &results);
  std::set<pointer> places;
  for (const auto& error : results)
    if (std::none_of(std::begin(repeated), std::end(repeated),
                     [&](std::string_view words) { return error.description.starts_with(words); }))
      places.insert(pointer_of(error.context));
  places.erase(pointer{}); // "task" or "system", which is looked at by hand
  std::set<std::string> around;
  for (auto at : places)
    while (!at.empty()) {
      at.pop_back();
      if (!around.insert(at.to_string()).second)
        break; // so is all that is around it
    }
  std::erase_if(places, [&](const pointer& at) { return around.contains(at.to_string()); });
  return places;
}

} // namespace

void check_schema(document& job, problems& found) {
  if (!job.root.is_object()) {
    found.add(explain_misfit(job, pointer{}));
    job.root = json::object();
    return;
  }
  check_keys(job, pointer{}, schema(), found);
  if (!job.root.contains("task") && !describes_system(job))
    found.add(explain_missing(job, pointer{}, "task"));
  // A removal can shift what is below, so each one is looked at again.
  for (const auto& at : misfits(job)) {
    if (!job.root.contains(at))
      continue;
    found.add(explain_misfit(job, at));
    remove(job, at);
  }
}

} // namespace bulkhead::config
