#include "actors/worker/configure.hpp"

#include "actors/caf/own_error.hpp"
#include "actors/caf/types.hpp"

#include <bulkhead/actors/message_type.hpp>

#include <caf/actor.hpp>

#include <cstdint>
#include <deque>
#include <mutex>
#include <vector>

namespace bulkhead {

namespace {

/// Filled by static objects in any order; outlives all of them.
struct message_registry {
  std::mutex mutex;
  std::deque<detail::message_type> types; // addresses stay
  std::vector<void (*)(caf::actor_system_config&)> blocks;

  message_registry();
  static message_registry& instance() {
    static auto& only = *new message_registry;
    return only;
  }
  const detail::message_type* find(const std::type_info& type) const {
    for (const auto& t : types)
      if (*t.type == type)
        return &t;
    return nullptr;
  }
  void add(const detail::message_type& type) {
    types.push_back(type);
    actors::enter_type(type);
  }
  template <class T>
  void known_to_caf(const char* name) {
    add(detail::describe_message_type<T>(name, false));
  }
  template <class T>
  void vector_of(const char* name) {
    add(detail::describe_message_type<std::vector<T>>(name, true));
  }
  template <class Alias, class T>
  void same_as(const char* name) {
    auto t = detail::describe_message_type<T>(name, false);
    t.type = &typeid(Alias);
    types.push_back(t);
  }
};

message_registry::message_registry() {
  known_to_caf<bool>("bool");
  known_to_caf<std::int8_t>("int8");
  known_to_caf<std::uint8_t>("uint8");
  known_to_caf<std::int16_t>("int16");
  known_to_caf<std::uint16_t>("uint16");
  known_to_caf<std::int32_t>("int32");
  known_to_caf<std::uint32_t>("uint32");
  known_to_caf<std::int64_t>("int64");
  known_to_caf<std::uint64_t>("uint64");
  known_to_caf<float>("float");
  known_to_caf<double>("double");
  known_to_caf<std::string>("string");
  known_to_caf<std::vector<std::string>>("vector<string>");
  known_to_caf<std::vector<char>>("vector<char>");
  known_to_caf<caf::actor>("actor");
  // Distinct types of the same form.
  static_assert(sizeof(long long) == sizeof(std::int64_t));
  same_as<long long, std::int64_t>("long long");
  same_as<unsigned long long, std::uint64_t>("unsigned long long");
  vector_of<bool>("bulkhead.vec_bool");
  vector_of<std::int16_t>("bulkhead.vec_i16");
  vector_of<std::uint16_t>("bulkhead.vec_u16");
  vector_of<std::int32_t>("bulkhead.vec_i32");
  vector_of<std::uint32_t>("bulkhead.vec_u32");
  vector_of<std::int64_t>("bulkhead.vec_i64");
  vector_of<std::uint64_t>("bulkhead.vec_u64");
  vector_of<std::uint8_t>("bulkhead.vec_u8");
  vector_of<float>("bulkhead.vec_f32");
  vector_of<double>("bulkhead.vec_f64");
}

// CAF 1.x wants its types before the first message.
[[maybe_unused]] const auto& filled = message_registry::instance();

} // namespace

namespace detail {

void add_message_type(const message_type& type) {
  auto& r = message_registry::instance();
  std::lock_guard lock{r.mutex};
  // A header with a declaration may be compiled into several libraries of one program.
  if (r.find(*type.type) == nullptr)
    r.add(type);
}

void add_message_block(void (*load)(caf::actor_system_config&)) {
  auto& r = message_registry::instance();
  std::lock_guard lock{r.mutex};
  r.blocks.push_back(load);
}

const message_type* find_message_type(const std::type_info& type) {
  auto& r = message_registry::instance();
  std::lock_guard lock{r.mutex};
  return r.find(type);
}

} // namespace detail

namespace actors {

void load_messages(caf::actor_system_config& config) {
  load_own_errors(config);
  auto& r = message_registry::instance();
  std::lock_guard lock{r.mutex};
  for (auto* block : r.blocks)
    block(config);
  for (const auto& t : r.types)
    load_type(config, t);
  check_types();
}

} // namespace actors

} // namespace bulkhead
