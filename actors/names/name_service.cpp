#include "actors/names/name_service.hpp"

#include <utility>

namespace bulkhead::actors {

namespace {

// A worker process has one system; it is told before there are actors, and exits without the
// destructors of static objects.
std::function<caf::strong_actor_ptr()>& way() {
  static auto& only = *new std::function<caf::strong_actor_ptr()>;
  return only;
}

} // namespace

void reach_names(std::function<caf::strong_actor_ptr()> find) { way() = std::move(find); }

caf::strong_actor_ptr reached_names() { return way() ? way()() : nullptr; }

} // namespace bulkhead::actors
