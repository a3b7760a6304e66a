#include "actors/caf/worker_system.hpp"

#include "actors/caf/worker_core.hpp"

#include <caf/actor_registry.hpp>

namespace bulkhead::actors {

namespace {

/// CAF's default scheduler with one thread; the loop thread only reads frames.
class threaded_core final : public worker_core {
public:
  ~threaded_core() override { system.reset(); }

  void start() override {
    load_host(config, node);
    use_small_scheduler(config);
    system = std::make_unique<caf::actor_system>(config);
  }
  exec_ctx* context() noexcept override { return nullptr; }
  std::size_t run_ready(std::size_t) override { return 0; }
  std::size_t ready() noexcept override { return 0; }
  bool next_deadline(time_point&) override { return false; }
  std::size_t fire_timers() override { return 0; }
  void on_wake(std::function<void()>) override {}
  void listen(turn_listener*) noexcept override {}
};

} // namespace

std::unique_ptr<worker_core> worker_core::make(engine kind) {
  if (kind == engine::in_loop)
    return make_in_loop();
  return std::make_unique<threaded_core>();
}

worker_system::worker_system(engine kind) : core_(worker_core::make(kind)) {}

worker_system::~worker_system() {
  // Actors still run: CAF's destructor would wait for them without a limit, so the system is left
  // to the end of the process.
  if (core_->system && !core_->stopped)
    static_cast<void>(core_.release());
}

caf::actor_system_config& worker_system::config() noexcept { return core_->config; }

void worker_system::take_node(const caf::node_id& node) { core_->node = node; }

void worker_system::start() { core_->start(); }

caf::actor_system& worker_system::system() noexcept { return *core_->system; }

exec_ctx* worker_system::context() noexcept { return core_->context(); }

std::size_t worker_system::run_ready(std::size_t budget) { return core_->run_ready(budget); }

std::size_t worker_system::ready() noexcept { return core_->ready(); }

bool worker_system::next_deadline(time_point& due) { return core_->next_deadline(due); }

std::size_t worker_system::fire_timers() { return core_->fire_timers(); }

void worker_system::on_wake(std::function<void()> wake) { core_->on_wake(std::move(wake)); }

void worker_system::listen(turn_listener* listener) noexcept { core_->listen(listener); }

bool worker_system::stop(time_point deadline) {
  if (!core_->system)
    return true;
  // Detached actors and the threaded engine make progress elsewhere, so an empty queue is no
  // reason to stop waiting; the pause only keeps the wait from burning the core they need.
  while (core_->system->registry().running() > 0) {
    if (std::chrono::steady_clock::now() >= deadline)
      return false;
    if (core_->fire_timers() + core_->run_ready(64) == 0)
      std::this_thread::sleep_for(std::chrono::microseconds{100});
  }
  while (core_->run_ready(64) != 0) {
  }
  core_->stopped = true;
  return true;
}

} // namespace bulkhead::actors
