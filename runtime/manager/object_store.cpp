#include "runtime/manager/object_store.hpp"

#include <utility>

namespace bulkhead::runtime {

using detail::manager_message;
using detail::manager_status;

manager_message answer_of(manager_status status, std::int64_t number,
                          std::vector<std::string> texts) {
  manager_message made;
  made.status = status;
  made.number = number;
  made.texts = std::move(texts);
  return made;
}

manager_message refusal(std::string why) {
  return answer_of(manager_status::refused, 0, {std::move(why)});
}

manager_message object_store::make(managed_kind kind, const std::string& type,
                                   const std::string& name, std::uint64_t capacity) {
  const std::lock_guard lock{mutex_};
  if (const auto known = names_.find(name); known != names_.end()) {
    const auto& found = *objects_[known->second];
    if (found.kind != kind || found.type != type)
      return refusal("the name '" + name
                     + "' in this manager is that of an object of another type: "
                     + (found.type.empty() ? "one without type" : "of " + found.type)
                     + ", asked for: " + (type.empty() ? "one without type" : "of " + type));
    return answer_of(manager_status::ok, static_cast<std::int64_t>(known->second));
  }
  const auto id = objects_.size() + 1;
  auto& made = *objects_.emplace(id, std::make_shared<stored_object>()).first->second;
  made.kind = kind;
  made.type = type;
  made.capacity = capacity;
  if (!name.empty())
    names_.emplace(name, id);
  return answer_of(manager_status::ok, static_cast<std::int64_t>(id));
}

stored_ptr object_store::find(std::uint64_t id) {
  const std::lock_guard lock{mutex_};
  const auto found = objects_.find(id);
  return found == objects_.end() ? nullptr : found->second;
}

} // namespace bulkhead::runtime
