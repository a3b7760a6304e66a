#include "actors/host/incarnated.hpp"
#include "actors/host/instance_pool.hpp"

#include <bulkhead/error.hpp>

#include <caf/actor_cast.hpp>

#include <string>

namespace bulkhead {

namespace {

std::shared_ptr<actors::instance_pool> pool_behind(const caf::actor& front, const char* who) {
  auto whom = caf::actor_cast<caf::strong_actor_ptr>(front);
  if (whom)
    if (const auto* child = dynamic_cast<actors::incarnated*>(whom->get()))
      whom = child->incarnation();
  auto pool = whom ? actors::instance_pool_behind(whom) : nullptr;
  if (!pool)
    throw config_error(
      std::string{who}
      + ": this is not the actor that spawn_pool returned, or its pool lives in "
        "another process, or it is a supervised child that is being started again");
  return pool;
}

} // namespace

spawn_pool_info actors::instance_pool::info() {
  spawn_pool_info all;
  const std::lock_guard lock{mutex_};
  all.waiting = line_.size();
  for (std::size_t i = 0; i < instances_.size(); ++i) {
    const auto& one = instances_[i];
    if (!one.empty)
      all.instances.push_back(
        {i + 1, one.process ? one.process->pid() : 0, one.serves(), one.load});
  }
  return all;
}

instance_pool_stats actors::instance_pool::stats() {
  const std::lock_guard lock{mutex_};
  auto all = counts_;
  all.instances = wanted_;
  all.serving = serving().size();
  all.waiting = line_.size();
  for (const auto& one : instances_)
    all.unanswered += one.load;
  return all;
}

spawn_pool_info info_of_spawn_pool(const caf::actor& front) {
  return pool_behind(front, "info_of_spawn_pool")->info();
}

instance_pool::instance_pool(const caf::actor& front) : front_(front) {
  pool_behind(front_, "instance_pool");
}

instance_pool_stats instance_pool::stats() const {
  return pool_behind(front_, "instance_pool::stats")->stats();
}

std::vector<instance_info> instance_pool::instances() const {
  return pool_behind(front_, "instance_pool::instances")->info().instances;
}

void instance_pool::resize(std::size_t n) {
  pool_behind(front_, "instance_pool::resize")->resize(n);
}

void instance_pool::close() { pool_behind(front_, "instance_pool::close")->close(); }

} // namespace bulkhead
