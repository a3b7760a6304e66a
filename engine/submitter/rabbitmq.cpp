#include "engine/submitter/engine_pool.hpp"
#include "engine/submitter/names.hpp"
#include "runtime/pool/pool_checks.hpp"

#include <bulkhead/rabbitmq.hpp>

#include <utility>

namespace bulkhead {

namespace {

class rabbitmq_engine final : public detail::pool_engine {
public:
  explicit rabbitmq_engine(rabbitmq wanted) : wanted_(std::move(wanted)) {}

  std::shared_ptr<detail::pool_core> make_pool(pool_options options) const override {
    engine::check_for_engine(options);
    auto good = runtime::checked(std::move(options));
    // Nobody counts the nodes: what looks ahead by workers thinks of so many.
    good.workers = good.min_workers = good.max_workers = 16;
    auto core = std::make_shared<engine::engine_pool>(wanted_, std::move(good));
    core->start();
    return core;
  }

private:
  rabbitmq wanted_;
};

} // namespace

rabbitmq::operator std::shared_ptr<const detail::pool_engine>() const {
  engine::check(*this);
  return std::make_shared<rabbitmq_engine>(*this);
}

} // namespace bulkhead
