#include "actors/caf/in_loop.hpp"

#include <caf/behavior.hpp>
#include <caf/event_based_actor.hpp>

#include <iostream>
#include <map>

namespace bulkhead::actors {

caf::behavior loop_printer(caf::event_based_actor*) {
  auto lines = std::make_shared<std::map<caf::actor_id, std::string>>();
  auto flush = [lines](caf::actor_id id, bool forced) {
    auto i = lines->find(id);
    if (i == lines->end() || i->second.empty() || (!forced && i->second.back() != '\n'))
      return;
    std::cout << i->second << std::flush;
    i->second.clear();
  };
  return {
    [=](caf::add_atom, caf::actor_id id, const std::string& text) {
      (*lines)[id] += text;
      flush(id, false);
    },
    [=](caf::flush_atom, caf::actor_id id) { flush(id, true); },
    [=](caf::delete_atom, caf::actor_id id) {
      flush(id, true);
      lines->erase(id);
    },
    [](caf::redirect_atom, const std::string&, int) {},
    [](caf::redirect_atom, caf::actor_id, const std::string&, int) {},
  };
}

} // namespace bulkhead::actors
