#pragma once

#include "actors/host/actor_process.hpp"

#include <memory>
#include <utility>

namespace bulkhead::actors {

/// A worker of a single actor that could not be started has no reason to live: it is ended unless
/// kept. Null: there is none.
class own_worker_guard {
public:
  explicit own_worker_guard(std::shared_ptr<actor_process> worker) : worker_(std::move(worker)) {}
  ~own_worker_guard() {
    if (worker_)
      worker_->kill(exit_cause::shutdown);
  }
  own_worker_guard(const own_worker_guard&) = delete;
  own_worker_guard& operator=(const own_worker_guard&) = delete;
  void keep() noexcept { worker_ = nullptr; }

private:
  std::shared_ptr<actor_process> worker_;
};

} // namespace bulkhead::actors
