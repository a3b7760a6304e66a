#include "actors/caf/host_module.hpp"
#include "actors/caf/worker_system.hpp"

#include <caf/actor_system_module.hpp>
#include <caf/detail/actor_system_access.hpp>
#include <caf/logger.hpp>
#include <caf/node_id.hpp>
#include <caf/version.hpp>

namespace bulkhead::actors {

namespace {

/// Sits in the slot of the old OpenSSL module: a system with that one is no host.
class host_module final : public caf::actor_system_module {
public:
  static void check_abi_compatibility(caf::version::abi_token) {}
  static void add_module_options(caf::actor_system_config&) {}
  static caf::actor_system_module* make(caf::actor_system& sys) { return new host_module(sys); }

  // Modules are made before any actor is, and a middleman sets another id in its init().
  explicit host_module(caf::actor_system& sys) : system_(sys), record_(host_record::enter(sys)) {
    caf::detail::actor_system_access{sys}.node(caf::node_id::default_data::local(sys.config()));
  }
  ~host_module() override { host_record::leave(system_, record_.get()); }

  void start() override {}
  void stop() override { record_->run_all(); }
  void init(caf::actor_system_config&) override {}
  id_t id() const override { return openssl_manager; }
  void* subtype_ptr() override { return this; }

private:
  caf::actor_system& system_;
  std::shared_ptr<host_record> record_;
};

} // namespace

void use_small_scheduler(caf::actor_system_config& config) {
  config.set("caf.scheduler.max-threads", 1);
  config.set("caf.scheduler.policy", "sharing");
}

void leave_system(caf::actor_system& system) {
  if (caf::logger::current_logger() == &system.logger())
    caf::logger::current_logger(nullptr);
}

void load_host(caf::actor_system_config& config, const caf::node_id&) {
  config.load<host_module>();
}

// CAF's own ids have a part made by chance.
caf::node_id node_for(const caf::node_id&, std::uint64_t) { return {}; }
caf::node_id read_node(std::span<const std::byte>) { return {}; }

} // namespace bulkhead::actors
