#include "actors/caf/host_module.hpp"
#include "actors/caf/worker_system.hpp"

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
  explicit host_module(caf::actor_system& sys)
    : system_(sys), source_(sys), record_(host_record::enter(sys)) {}
  ~host_module() override { host_record::leave(system_, record_.get()); }

  void start() override {}
  void stop() override { record_->run_all(); }
  // Modules start in the order of their slots: a real middleman has set the id by now.
  void init(caf::actor_system_config& config) override {
    if (!system_.node())
      source_.init(config);
  }
  id_t id() const override { return network_manager; }
  void* subtype_ptr() override { return this; }

private:
  caf::actor_system& system_;
  node_id_source source_;
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

void load_host(caf::actor_system_config& config) {
  config.module_factories.push_back(
    [](caf::actor_system& sys) -> caf::actor_system::module* { return new host_module(sys); });
}

} // namespace bulkhead::actors
