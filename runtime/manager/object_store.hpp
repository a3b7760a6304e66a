#pragma once

#include <bulkhead/detail/manager_link.hpp>
#include <bulkhead/manager.hpp>

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace bulkhead::runtime {

/// One object of a manager: which members count depends on its kind. Guarded by its mutex.
struct stored_object {
  managed_kind kind;
  std::string type;
  std::uint64_t capacity = 0; ///< of a queue; 0: none

  std::mutex mutex;
  std::condition_variable changed;
  std::map<std::string, std::string> entries; ///< of a dict, a namespace, and a set with no values
  std::deque<std::string> items;              ///< of a list and a queue
  std::uint64_t number = 0;                   ///< of a counter
  std::uint64_t handed = 0; ///< items of a queue whose consumers have not said that they arrived
  std::uint64_t unfinished = 0; ///< items of a queue that were put and are not done
  bool closed = false;
};

using stored_ptr = std::shared_ptr<stored_object>;

/// The objects of a manager. Thread-safe.
class object_store {
public:
  /// A new one, or the one of that name; refused where that is of another kind or type.
  detail::manager_message make(managed_kind kind, const std::string& type, const std::string& name,
                               std::uint64_t capacity);
  /// Null: none has this number.
  stored_ptr find(std::uint64_t id);

private:
  std::mutex mutex_;
  std::map<std::uint64_t, stored_ptr> objects_; ///< numbered from 1
  std::map<std::string, std::uint64_t> names_;
};

/// True where nobody reads the answer any more.
using is_gone = std::function<bool()>;

/// Does what is asked with an object; a call that waits looks after its client now and then. An
/// item that queue_get hands out is in the answer and counts as `handed`.
detail::manager_message serve(stored_object& object, const detail::manager_message& request,
                              const is_gone& gone);

/// The item that was handed out has arrived; or it has not, and is the first again.
void item_arrived(stored_object& queue);
void item_came_back(stored_object& queue, std::string item);

/// An answer.
detail::manager_message answer_of(detail::manager_status status, std::int64_t number = 0,
                                  std::vector<std::string> texts = {});
detail::manager_message refusal(std::string why);

} // namespace bulkhead::runtime
