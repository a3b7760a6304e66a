#include "tools/system/load_system.hpp"

#include "tools/config/check_schema.hpp"
#include "tools/config/checks.hpp"
#include "tools/config/schema.hpp"
#include "tools/system/check_system.hpp"
#include "tools/system/read_system.hpp"

namespace bulkhead::systems {

namespace {

/// Lists that the schema took away as a whole: names in them would be missed for no reason.
bool whole(const document& before, const document& after) {
  for (const auto* list : {"/system", "/system/pools", "/system/actors", "/system/supervisors"})
    if (before.root.contains(pointer(list)) && !after.root.contains(pointer(list)))
      return false;
  return true;
}

/// Whether all were loaded.
bool load_libraries(const document& from, const system_plan& plan, problems& found) {
  const auto before = found.count();
  config::job libraries;
  libraries.load = plan.load;
  config::check_libraries(from, libraries, found);
  return found.count() == before;
}

} // namespace

bool names_system(const config::request& wanted) {
  problems none;
  const auto read = config::read_document(wanted, none);
  return read && config::describes_system(*read);
}

std::optional<system_plan> load_system(const config::request& wanted, problems& found) {
  auto read = config::read_document(wanted, found);
  if (!read)
    return std::nullopt;
  const auto before = *read;
  config::check_schema(*read, found);
  auto plan = read_system(*read, wanted.file, found);
  plan.load.insert(plan.load.end(), wanted.load.begin(), wanted.load.end());
  const complaints to{before, found}; // what the schema took away was told
  config::check_capacity(*read, plan.pool, found);
  config::check_sandbox(*read, plan.pool.sandbox, found);
  const bool loaded = load_libraries(*read, plan, found);
  check_pools(to, plan);
  if (whole(before, *read)) {
    check_structure(to, plan);
    check_script(to, plan);
    if (loaded) // else all that is in them would be missed
      check_types(to, plan);
  }
  if (!wanted.retry.empty() || !wanted.failed.empty())
    found.add(config::place{wanted.file.string()}, "it is a system of actors",
              "--failed and --retry with jobs of tasks only", "leave them out");
  if (!found.none())
    return std::nullopt;
  return plan;
}

} // namespace bulkhead::systems
