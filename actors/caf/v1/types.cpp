#include "actors/caf/types.hpp"

#include <bulkhead/detail/type_name.hpp>
#include <bulkhead/error.hpp>

#include <caf/detail/meta_object.hpp>
#include <caf/init_global_meta_objects.hpp>
#include <caf/span.hpp>

#include <map>
#include <mutex>

namespace bulkhead::actors {

namespace {

/// CAF's table of types, which must not move while a system lives: it gets its full size when the
/// library is loaded. Never destroyed, and keeps CAF's table for as long: threads of the library
/// may hold messages until the very end.
class type_table {
public:
  static type_table& instance() {
    static auto& only = *new type_table;
    return only;
  }

  void enter(const detail::type_loader::entry& e, const std::type_info& type) {
    std::lock_guard lock{mutex_};
    auto [i, fresh] = types_.emplace(e.number, &type);
    if (!fresh && *i->second != type)
      conflict_ = "the message types '" + detail::type_name(*i->second) + "' and '"
                  + detail::type_name(type) + "' have the same number; rename one of them";
    else if (caf::detail::global_meta_object_or_null(e.number) == nullptr)
      caf::detail::set_global_meta_objects(e.number, caf::make_span(&e.meta, 1));
  }

  void check() {
    std::lock_guard lock{mutex_};
    if (!conflict_.empty())
      throw config_error(conflict_);
  }

private:
  type_table() : guard_(caf::detail::global_meta_objects_guard()) {
    caf::core::init_global_meta_objects();
    if (caf::detail::global_meta_objects().size() < detail::end_of_numbers)
      caf::detail::resize_global_meta_objects(detail::end_of_numbers);
  }

  const caf::detail::global_meta_objects_guard_type guard_;
  std::mutex mutex_;
  std::map<std::uint16_t, const std::type_info*> types_;
  std::string conflict_;
};

} // namespace

void enter_type(const detail::type_loader::entry& entry, const std::type_info& type) {
  if (entry.number != 0)
    type_table::instance().enter(entry, type);
}

void enter_type(const detail::message_type& type) {
  enter_type(type.load.itself, *type.type);
  // The vector's identity is that of its elements.
  enter_type(type.load.vector, *type.type);
}

void load_type(caf::actor_system_config&, const detail::message_type&) {}

void check_types() { type_table::instance().check(); }

} // namespace bulkhead::actors
