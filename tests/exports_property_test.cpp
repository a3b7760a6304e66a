// ctest-timeout: 60
#include "actors/border/exports.hpp"
#include "actors/caf/verbs.hpp"
#include "tests/support/host_system.hpp"

#include <caf/actor_cast.hpp>
#include <caf/event_based_actor.hpp>
#include <doctest/doctest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <deque>
#include <map>
#include <set>

// Both sides of the count of references: an owner that names actors to a peer, and the peer, which
// gives back what it was told once its last handle is gone. What is between them keeps its order
// and may take any time.

namespace {

using namespace bulkhead::actors;
using bulkhead::tests::host_system;

/// What goes to the owner.
struct to_owner {
  enum class kind { release, release_observed, monitor } what;
  actor_key key;
  std::uint64_t count = 0;
};

/// One actor as the peer sees it: its proxy with what it has counted.
struct import {
  std::uint64_t counted = 0;
  bool held = false;     ///< somebody there has a handle
  bool observed = false; ///< somebody there waits for its end
  bool killed = false;   ///< the proxy knows of the end: who observes now hears at once
};

class two_sides {
public:
  explicit two_sides(caf::actor_system& system, std::uint64_t actors) {
    for (std::uint64_t i = 1; i <= actors; ++i)
      actors_[i] = caf::actor_cast<caf::strong_actor_ptr>(
        system.spawn([](caf::event_based_actor*) -> caf::behavior { return {[](int) {}}; }));
  }
  ~two_sides() {
    for (auto& [id, actor] : actors_)
      caf::anon_send_exit(caf::actor_cast<caf::actor>(actor), caf::exit_reason::kill);
  }
  two_sides(const two_sides&) = delete;
  two_sides& operator=(const two_sides&) = delete;

  /// The owner names the actor in a message; one that has ended is named as such.
  void name(std::uint64_t id) {
    table_.add(key(id), ended_.contains(id) ? nullptr : actors_.at(id));
    named_.push_back(id);
  }
  void peer_reads() {
    if (named_.empty())
      return;
    const auto id = named_.front();
    named_.pop_front();
    auto& seen = imports_[id];
    if (seen.counted == 0)
      said_.push_back({to_owner::kind::monitor, key(id)});
    ++seen.counted;
    seen.held = true;
  }
  void peer_drops(std::uint64_t id) {
    auto& seen = imports_[id];
    if (!seen.held)
      return;
    said_.push_back({seen.observed ? to_owner::kind::release_observed : to_owner::kind::release,
                     key(id), seen.counted});
    seen.held = false;
    seen.killed = false;
    seen.counted = 0;
  }
  void peer_observes(std::uint64_t id) {
    auto& seen = imports_[id];
    seen.observed = seen.observed || (seen.held && !seen.killed);
  }
  void owner_reads() {
    if (said_.empty())
      return;
    const auto x = said_.front();
    said_.pop_front();
    caf::strong_actor_ptr gone;
    if (x.what == to_owner::kind::monitor) {
      // As the border does it: of one that has ended, who looks for its end hears at once.
      if (!table_.find(x.key) || !table_.monitor(x.key)
          || (ended_.contains(x.key.id) && table_.take_monitor(x.key)))
        told(x.key.id);
    } else {
      const auto result =
        table_.release(x.key, x.count, x.what == to_owner::kind::release_observed, gone);
      RC_ASSERT(result != exports::released::unknown);
    }
  }
  void end(std::uint64_t id) {
    if (!ended_.insert(id).second)
      return;
    if (table_.take_monitor(key(id)))
      told(id);
  }

  /// Nothing on its way is lost: the owner keeps each actor that the peer has, or is about to get,
  /// a handle of, and counts as many references as there are.
  void check() const {
    for (const auto& [id, actor] : actors_) {
      const auto i = imports_.find(id);
      const bool held = i != imports_.end() && i->second.held;
      const bool coming = std::find(named_.begin(), named_.end(), id) != named_.end();
      if ((held || coming) && !ended_.contains(id))
        RC_ASSERT(table_.find(key(id)) == actor);
    }
    RC_ASSERT(table_.size() <= actors_.size());
  }

  /// Everybody lets go, and what is on its way arrives.
  void come_to_rest() {
    while (!named_.empty())
      peer_reads();
    for (const auto& [id, actor] : actors_)
      peer_drops(id);
    while (!said_.empty())
      owner_reads();
  }
  std::size_t size() const { return table_.size(); }
  void end_all() {
    for (const auto& [id, actor] : actors_)
      end(id);
  }
  /// Whether everybody who observes one that has ended was told.
  bool all_told() const {
    for (const auto& [id, seen] : imports_)
      if (seen.observed && ended_.contains(id))
        return false;
    return true;
  }

private:
  static actor_key key(std::uint64_t id) { return {host_peer, id}; }
  void told(std::uint64_t id) {
    imports_[id].observed = false;
    imports_[id].killed = imports_[id].held;
  }

  exports table_;
  std::map<std::uint64_t, caf::strong_actor_ptr> actors_;
  std::set<std::uint64_t> ended_;
  std::deque<std::uint64_t> named_; ///< on their way to the peer
  std::deque<to_owner> said_;
  std::map<std::uint64_t, import> imports_;
};

void any_history(host_system& h, std::uint64_t actors) {
  two_sides s{*h.system, actors};
  const auto length = *rc::gen::inRange(1, 300);
  for (int i = 0; i < length; ++i) {
    const auto id = *rc::gen::inRange<std::uint64_t>(1, actors + 1);
    switch (*rc::gen::inRange(0, 12)) {
    case 0:
      s.end(id);
      break;
    case 1:
      s.peer_observes(id);
      break;
    case 2:
    case 3:
      s.peer_drops(id);
      break;
    case 4:
    case 5:
    case 6:
      s.owner_reads();
      break;
    case 7:
    case 8:
    case 9:
      s.peer_reads();
      break;
    default:
      s.name(id);
    }
    s.check();
  }
  s.come_to_rest();
  s.end_all();
  RC_ASSERT(s.size() == 0);
  RC_ASSERT(s.all_told());
}

} // namespace

TEST_CASE("no handle is lost or kept for ever, whoever names, gives back, observes or ends") {
  host_system h;
  for (const std::uint64_t actors : {3, 30})
    CHECK(rc::check([&] { any_history(h, actors); }));
}
