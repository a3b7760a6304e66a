#include <bulkhead/detail/task_bridge.hpp>
#include <bulkhead/detail/type_name.hpp>
#include <bulkhead/error.hpp>

#include <algorithm>
#include <map>
#include <mutex>
#include <numeric>

namespace bulkhead::detail {
namespace {

/// Filled before main by static constructors in any order, emptied after main by destructors.
struct registry {
  static registry& instance() {
    static auto& only = *new registry; // outlives every module's registrations
    return only;
  }

  std::mutex mutex;
  std::multimap<std::string, const task_entry*, std::less<>> tasks;
};

[[noreturn]] void throw_duplicate(const task_entry& first, const task_entry& second) {
  throw config_error("task name \"" + std::string(first.name) + "\" is registered twice: at "
                     + first.place() + " and at " + second.place() + "; rename one of them");
}

/// Insertions, deletions and replacements that turn one into the other.
std::size_t edit_distance(std::string_view from, std::string_view to) {
  std::vector<std::size_t> row(to.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i != from.size(); ++i) {
    auto diagonal = std::exchange(row[0], i + 1);
    for (std::size_t j = 0; j != to.size(); ++j) {
      const auto replaced = diagonal + (from[i] == to[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, diagonal + 1});
    }
  }
  return row.back();
}

std::string quoted(const std::vector<std::string>& names) {
  std::string text;
  for (const auto& name : names)
    text += (text.empty() ? "\"" : ", \"") + name + '"';
  return text;
}

} // namespace

std::string task_entry::place() const { return std::string(file) + ':' + std::to_string(line); }

std::string task_entry::signature() const {
  std::string text = type_name(*result) + ' ' + std::string(name) + '(';
  for (std::size_t i = 0; i != arguments.size(); ++i)
    text += (i == 0 ? "" : ", ") + type_name(*arguments[i]);
  return text + ')';
}

void add_task(const task_entry& entry) {
  auto& known = registry::instance();
  const std::lock_guard lock{known.mutex};
  // Two of one name are kept until somebody asks for it: a static constructor has nobody to tell.
  known.tasks.emplace(entry.name, &entry);
}

void remove_task(const task_entry& entry) noexcept {
  auto& known = registry::instance();
  const std::lock_guard lock{known.mutex};
  std::erase_if(known.tasks, [&](const auto& each) { return each.second == &entry; });
}

const task_entry* find_task(std::string_view name) {
  auto& known = registry::instance();
  const std::lock_guard lock{known.mutex};
  const auto [first, last] = known.tasks.equal_range(name);
  if (first == last)
    return nullptr;
  if (std::next(first) != last)
    throw_duplicate(*first->second, *std::next(first)->second);
  return first->second;
}

const task_entry& expect_task(std::string_view name) {
  if (const auto* found = find_task(name))
    return *found;
  const auto nearest = nearest_tasks(name);
  throw config_error("no task is named \"" + std::string(name) + '"'
                     + (nearest.empty() ? std::string("; is its task library loaded?")
                                        : "; did you mean " + quoted(nearest) + '?'));
}

std::vector<const task_entry*> all_tasks() {
  auto& known = registry::instance();
  const std::lock_guard lock{known.mutex};
  std::vector<const task_entry*> all;
  for (const auto& [name, entry] : known.tasks) {
    if (!all.empty() && all.back()->name == name)
      throw_duplicate(*all.back(), *entry);
    all.push_back(entry);
  }
  return all;
}

std::vector<std::string> nearest_tasks(std::string_view name) {
  auto& known = registry::instance();
  const std::lock_guard lock{known.mutex};
  std::vector<std::pair<std::size_t, std::string>> near;
  for (const auto& each : known.tasks)
    if (const auto far = edit_distance(name, each.first);
        far <= std::max<std::size_t>(2, name.size() / 3))
      near.emplace_back(far, each.first);
  std::ranges::sort(near);
  const auto same = std::ranges::unique(near);
  near.erase(same.begin(), same.end());
  std::vector<std::string> names;
  for (std::size_t i = 0; i != std::min<std::size_t>(near.size(), 3); ++i)
    names.push_back(std::move(near[i].second));
  return names;
}

void throw_argument_count(std::size_t expected, std::size_t given) {
  throw config_error("expected " + std::to_string(expected)
                     + (expected == 1 ? " argument, got " : " arguments, got ")
                     + std::to_string(given));
}

} // namespace bulkhead::detail
