#pragma once

#include <bulkhead/keep_state.hpp>

#include <caf/behavior.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/stateful_actor.hpp>
#include <caf/typed_response_promise.hpp>

#include <unistd.h>

#include <map>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

/// One shard of the store, in a process of its own. A write is answered when a snapshot that
/// contains it is held by the host; writes that come meanwhile share the next snapshot.
class shard {
public:
  static inline const char* name = "shard";

  void load(const std::string& snapshot) {
    std::istringstream in{snapshot};
    for (std::string key, value; in >> key >> value;)
      entries_[key] = value;
  }

  template <class Self>
  caf::typed_response_promise<bool> put(Self* self, const std::string& key, std::string value) {
    auto promise = self->template make_response_promise<bool>();
    entries_[key] = std::move(value);
    waiting_.push_back(promise);
    if (!saving_)
      save(self);
    return promise;
  }

  std::string get(const std::string& key) const {
    const auto known = entries_.find(key);
    return known == entries_.end() ? std::string{} : known->second;
  }

private:
  // Keys and values are words here.
  std::string snapshot() const {
    std::string all;
    for (const auto& [key, value] : entries_)
      all += key + ' ' + value + '\n';
    return all;
  }

  template <class Self>
  void save(Self* self) {
    saving_ = true;
    bulkhead::keep_state(self, snapshot())
      .then([this, self, batch = std::exchange(waiting_, {})]() mutable { saved(self, batch); },
            [self](const caf::error& why) { self->quit(why); }); // begin again at the last one
  }

  template <class Self>
  void saved(Self* self, std::vector<caf::typed_response_promise<bool>>& batch) {
    for (auto& promise : batch)
      promise.deliver(true);
    saving_ = false;
    if (!waiting_.empty())
      save(self);
  }

  std::map<std::string, std::string> entries_;
  std::vector<caf::typed_response_promise<bool>> waiting_;
  bool saving_ = false;
};

inline caf::behavior serve_shard(caf::stateful_actor<shard>* self, const std::string& snapshot) {
  self->state.load(snapshot);
  return {
    [self](caf::put_atom, const std::string& key, std::string& value) {
      return self->state.put(self, key, std::move(value));
    },
    [self](caf::get_atom, const std::string& key) { return self->state.get(key); },
    [](caf::get_atom) { return static_cast<std::int32_t>(::getpid()); },
  };
}
