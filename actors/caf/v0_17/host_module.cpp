#include "actors/caf/host_module.hpp"
#include "actors/caf/v0_17/private_member.hpp"
#include "actors/caf/worker_system.hpp"

#include <caf/binary_deserializer.hpp>
#include <caf/io/middleman.hpp>
#include <caf/logger.hpp>

#include <cstdlib>

namespace bulkhead::actors {

namespace {

/// CAF sets a system's node id only in the middleman's init(). This one does that and nothing else:
/// no broker, no thread, and the system does not know it.
class node_id_source final : public caf::io::middleman {
public:
  explicit node_id_source(caf::actor_system& sys) : middleman(sys) {}
  void start() override {}
  void stop() override {}
  caf::io::network::multiplexer& backend() override { std::abort(); }
};

/// Sits in the slot of a module that 0.17 reserves and does not have.
class host_module final : public caf::actor_system::module {
public:
  host_module(caf::actor_system& sys, const caf::node_id& node)
    : system_(sys), source_(sys), node_(node), record_(host_record::enter(sys)) {}
  ~host_module() override { host_record::leave(system_, record_.get()); }

  void start() override {}
  void stop() override { record_->run_all(); }
  // Modules start in the order of their slots: a real middleman has set the id by now.
  void init(caf::actor_system_config& config) override {
    if (node_)
      detail_0_17::node_of(system_) = node_;
    else if (!system_.node())
      source_.init(config);
  }
  id_t id() const override { return network_manager; }
  void* subtype_ptr() override { return this; }

private:
  caf::actor_system& system_;
  node_id_source source_;
  const caf::node_id node_;
  std::shared_ptr<host_record> record_;
};

} // namespace

void use_small_scheduler(caf::actor_system_config& config) {
  config.set("scheduler.max-threads", 1);
  config.set("scheduler.policy", caf::atom("sharing"));
}

void leave_system(caf::actor_system& system) {
  if (caf::logger::current_logger() == &system.logger())
    caf::logger::set_current_actor_system(nullptr);
}

void load_host(caf::actor_system_config& config, const caf::node_id& node) {
  config.module_factories.push_back([node](caf::actor_system& sys) -> caf::actor_system::module* {
    return new host_module(sys, node);
  });
}

caf::node_id read_node(std::span<const std::byte> bytes) {
  caf::binary_deserializer source{nullptr, reinterpret_cast<const char*>(bytes.data()),
                                  bytes.size()};
  caf::node_id result;
  return source(result) ? caf::node_id{} : result;
}

// The number takes the place of the process id, and the bytes that say which machine it is are
// turned around, so that no host has such an id.
caf::node_id node_for(const caf::node_id& host, std::uint64_t number) {
  const auto* data = dynamic_cast<const caf::node_id::default_data*>(host ? &*host : nullptr);
  if (data == nullptr)
    return {};
  auto bytes = data->host_id();
  const std::uint64_t mixed[] = {data->process_id(), number >> 32};
  for (std::size_t i = 0; i < 8; ++i)
    bytes[i] = static_cast<std::uint8_t>(~bytes[i] ^ (mixed[i / 4] >> (8 * (i % 4))));
  return caf::make_node_id(static_cast<std::uint32_t>(number), bytes);
}

} // namespace bulkhead::actors
