#include "runtime/outcome/gathered.hpp"
#include "runtime/workers/task_queue.hpp"

#include <cstring>

// Tasks that were submitted one by one and wait together. A unit gathers them while it is the last
// that came and waits; what leaves the queue takes no more. Only tasks that need nothing of their
// own do so: whatever has an option is a unit by itself.
namespace bulkhead::runtime {

namespace {

/// A longer task does not gain by company.
constexpr std::size_t most_bytes = 4096;

bool allows_company(const pool_options& o) noexcept {
  return o.task_timeout.count() == 0 && o.retries == 0 && o.max_tasks_per_worker == 0
         && o.dispatch == dispatch_policy::least_loaded && o.on_full != on_full::drop_oldest
         && !o.prefetch && !o.measure_growth;
}

} // namespace

task_queue::task_queue(pool_state& pool, outcomes& ends)
  : pool_(pool), ends_(ends), may_gather_(allows_company(pool.options)) {}

bool task_queue::gathers(const detail::work& w) const noexcept {
  return may_gather_ && w.single && !w.options && w.body.descriptors() == nullptr
         && w.body.size() <= most_bytes;
}

// The same call with other arguments, and the next number.
bool task_queue::is_like(const unit& u, const detail::work& w) const noexcept {
  return gathers(w) && w.stub == u.stub && w.loop == u.loop && w.callable_bytes == u.callable_bytes
         && w.item_bytes == u.item_bytes && w.result_bytes == u.result_bytes
         && pool_.tasks.next_id() == u.id + u.items
         && std::memcmp(w.body.data(), u.body.data(), u.callable_bytes) == 0;
}

bool task_queue::gather(detail::work& w) {
  if (!gathers_more() || !is_like(*open(), w))
    return false;
  auto& u = *open();
  const auto item = w.body.bytes().subspan(w.callable_bytes);
  if (!pool_.queue.has_room(1, item.size()))
    return false;
  u.body.reserve(u.body.size() + item.size());
  add_sink(u, w.sink); // the last that may throw
  u.body.append(item.data(), item.size());
  pool_.queue.grow(u, item.size());
  tell_room();
  const auto id = pool_.tasks.submit(1);
  w.sink->placed(&u, id);
  return true;
}

void task_queue::add_sink(unit& u, std::shared_ptr<detail::task_sink> sink) {
  // It came alone: only what went along with it has made its sink such a one.
  if (u.items > 1)
    return static_cast<gathered&>(*u.sink).add(std::move(sink));
  auto all = std::make_shared<gathered>(u.id);
  all->add(u.sink);
  all->add(std::move(sink));
  u.sink = std::move(all);
}

unit& task_queue::cut(unit& u, std::uint32_t first) {
  auto& rest = pool_.queue.cut(u, first);
  rest.sink->moved(&rest, rest.first_item, rest.items);
  return rest;
}

void task_queue::cancel(unit& u, std::uint32_t item) {
  close(u);
  auto* one = item == 0 ? &u : &cut(u, item);
  if (one->items > 1)
    cut(*one, 1);
  cancel(*one);
}

} // namespace bulkhead::runtime
