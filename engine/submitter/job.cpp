#include "engine/submitter/job.hpp"

#include <utility>

namespace bulkhead::engine {

job::job(detail::work&& w, std::uint32_t more_attempts, time_point now)
  : ledger_unit(w.items, more_attempts), first_item(w.first_item), sink(std::move(w.sink)),
    options(std::move(w.options)) {
  whole.count = w.items;
  whole.stub = w.stub;
  whole.loop = w.loop;
  whole.item_bytes = w.item_bytes;
  whole.result_bytes = w.result_bytes;
  whole.callable_bytes = w.callable_bytes;
  whole.body.assign(w.body.data(), w.body.data() + w.body.size());
  if (options) {
    whole.timeout_ns = options->timeout.count();
    whole.soft_timeout_ns = options->soft_timeout.count();
    whole.priority = options->priority;
    if (options->deadline.count() != 0 && options->deadline < time_point::max() - now)
      deadline = now + options->deadline;
  }
}

void lanes::pop(std::uint32_t count) {
  auto& [priority, queue] = *queues_.begin();
  auto& front = queue.front();
  front.first += count;
  front.count -= count;
  if (front.count != 0)
    return;
  queue.pop_front();
  if (queue.empty())
    queues_.erase(queues_.begin());
}

} // namespace bulkhead::engine
