#include "actors/names/name_table.hpp"

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace bulkhead::actors;
using outcome = name_table::outcome;

/// The same rules, said in another way: lists of facts.
struct plain_facts {
  std::map<std::string, actor_key> names;
  std::vector<std::pair<std::string, actor_key>> memberships;

  std::size_t of(peer_id p) const {
    std::size_t n = 0;
    for (const auto& [name, who] : names)
      n += who.peer == p;
    for (const auto& [group, who] : memberships)
      n += who.peer == p;
    return n;
  }
  std::size_t all() const { return names.size() + memberships.size(); }
  void end(const actor_key& who) {
    std::erase_if(names, [&](const auto& n) { return n.second == who; });
    std::erase_if(memberships, [&](const auto& m) { return m.second == who; });
  }
  std::vector<actor_key> members(const std::string& group) const {
    std::vector<actor_key> found;
    for (const auto& [g, who] : memberships)
      if (g == group)
        found.push_back(who);
    return found;
  }
};

const name_table::limits small{12, 5};

class table_history {
public:
  void go() {
    const auto events = *rc::gen::inRange(0, 120);
    for (int i = 0; i < events; ++i) {
      one_event();
      look();
    }
  }

private:
  static std::string some_text() {
    return *rc::gen::element(std::string{"a"}, std::string{"b"}, std::string{"c"}, std::string{"d"},
                             std::string{}, std::string(256, 'x'), std::string{"\n"});
  }
  static actor_key some_actor() {
    return {*rc::gen::inRange<peer_id>(0, 3), *rc::gen::inRange<caf::actor_id>(1, 5)};
  }
  static bool good(const std::string& text) { return text.size() == 1 && text != "\n"; }

  outcome room(const std::string& text, const actor_key& who) const {
    if (!good(text))
      return outcome::bad_name;
    if (facts_.all() >= small.all)
      return outcome::full;
    return who.peer != 0 && facts_.of(who.peer) >= small.of_process ? outcome::process_full
                                                                    : outcome::done;
  }

  void one_event() {
    const auto text = some_text();
    const auto who = some_actor();
    switch (*rc::gen::inRange(0, 5)) {
    case 0: {
      const auto expected = facts_.names.contains(text) ? outcome::taken : room(text, who);
      RC_ASSERT(table_.add(text, who) == expected);
      if (expected == outcome::done)
        facts_.names[text] = who;
      break;
    }
    case 1: {
      const auto known = facts_.names.find(text);
      const bool mine = known != facts_.names.end() && known->second == who;
      RC_ASSERT(table_.remove(text, who) == (mine ? outcome::done : outcome::unknown));
      if (mine)
        facts_.names.erase(known);
      break;
    }
    case 2: {
      const auto expected = room(text, who);
      RC_ASSERT(table_.join(text, who) == expected);
      if (expected == outcome::done)
        facts_.memberships.emplace_back(text, who);
      break;
    }
    case 3: {
      const auto at =
        std::find(facts_.memberships.begin(), facts_.memberships.end(), std::pair{text, who});
      const bool member = at != facts_.memberships.end();
      RC_ASSERT(table_.leave(text, who) == (member ? outcome::done : outcome::unknown));
      if (member)
        facts_.memberships.erase(at);
      break;
    }
    default:
      table_.ended(who);
      facts_.end(who);
      RC_ASSERT(!table_.knows(who));
    }
  }

  void look() const {
    RC_ASSERT(table_.size() == facts_.all());
    std::vector<std::string> names;
    names.reserve(facts_.names.size());
    for (const auto& [name, who] : facts_.names) {
      RC_ASSERT(table_.find(name) == std::optional{who});
      RC_ASSERT(table_.holds(who));
      names.push_back(name);
    }
    RC_ASSERT(table_.names() == names);
    std::set<std::string> groups;
    for (const auto& [group, who] : facts_.memberships)
      groups.insert(group);
    RC_ASSERT(table_.groups() == std::vector<std::string>(groups.begin(), groups.end()));
    for (const auto& group : groups)
      RC_ASSERT(table_.members(group) == facts_.members(group));
    for (peer_id p = 0; p < 3; ++p)
      RC_ASSERT(table_.size_of(p) == facts_.of(p));
  }

  name_table table_{small};
  plain_facts facts_;
};

} // namespace

TEST_CASE(
  "whatever is named, joined, left and ended in whatever order, the table tells the facts") {
  CHECK(rc::check([] { table_history{}.go(); }));
}

TEST_CASE("a process that names and forgets one actor after the other is stopped at its share") {
  name_table table{{1000, 5}};
  for (caf::actor_id id = 1; id <= 5; ++id) {
    CHECK(table.add("n", {1, id}) == outcome::done);
    CHECK(table.remove("n", {1, id}) == outcome::done);
  }
  CHECK(table.add("n", {1, 6}) == outcome::process_full);
  CHECK(table.add("n", {1, 5}) == outcome::done); // it is remembered already
  table.ended({1, 1});
  CHECK(table.join("g", {1, 6}) == outcome::done);
  CHECK(table.add("m", {2, 1}) == outcome::done);
}
