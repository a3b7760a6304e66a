#include "engine/submitter/submitter.hpp"

#include "runtime/outcome/failure_of.hpp"

#include <bulkhead/error.hpp>

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <utility>

// What comes in from users and goes out to the broker. What nodes say is in node_words.cpp, what
// happens by the clock in timers.cpp.
namespace bulkhead::engine {

namespace {

constexpr std::uint64_t most_offered = 16'384;
constexpr std::uint64_t most_unknown = 256; ///< offered while nobody knows how long they take
constexpr auto batch_time = std::chrono::milliseconds{5};
constexpr std::size_t most_means = 1024;

} // namespace

std::string task_queue_of(const std::string& queue, std::uint64_t module) {
  char id[17];
  std::snprintf(id, sizeof id, "%016" PRIx64, module);
  return "bulkhead." + queue + "." + id;
}

std::string exchange_of(const std::string& queue) { return "bulkhead." + queue + ".nodes"; }

submitter::submitter(std::string name, const rabbitmq& engine, const pool_options& options,
                     submitter_ports ports)
  : name_(std::move(name)), queue_(engine.queue), nodes_within_(engine.nodes_within),
    batch_tasks_(engine.batch_tasks), batch_bytes_(engine.batch_bytes), options_(options),
    ports_(std::move(ports)), nodes_(engine.lease) {}

bool submitter::has_room(std::uint32_t items, std::size_t bytes) const noexcept {
  const auto waiting = ledger_.waiting() + ledger_.offered();
  return waiting == 0
         || (waiting + items <= options_.queue_capacity && bytes_ + bytes <= options_.queue_bytes);
}

std::uint64_t submitter::submit(detail::work&& w, time_point now) {
  const auto retries = w.options && w.options->retries ? *w.options->retries : options_.retries;
  auto made = std::make_unique<job>(
    std::move(w), static_cast<std::uint32_t>(std::min<std::size_t>(retries, UINT16_MAX - 1)), now);
  auto& j = static_cast<job&>(ledger_.add(std::move(made)));
  const auto count = static_cast<std::uint32_t>(j.tasks.size());
  j.whole.first = j.first;
  if (j.whole.timeout_ns == 0)
    j.whole.timeout_ns = options_.task_timeout.count();
  bytes_ += j.bytes();
  stats_.submitted += count;
  if (j.deadline != time_point::max())
    deadlines_.emplace(j.deadline, j.first);
  j.sink->placed(nullptr, j.first);
  j.sink->units_made.fetch_add(1, std::memory_order_relaxed); // a hint
  wait_again({j.first, count});
  return j.first;
}

// To the lanes, or to what waits for a node that has the code.
void submitter::wait_again(task_range tasks) {
  for_jobs(tasks, [this](job& j, task_range part) {
    if (auto found = refused_.find(j.whole.stub.module); found != refused_.end())
      found->second.held.push_back(part);
    else
      lanes_.push(j.priority(), part);
  });
}

// How many tasks of this kind a batch may have, so that it takes some milliseconds.
std::size_t submitter::fitting(const job& j) const {
  const auto known = means_.find({j.whole.stub.module, j.whole.stub.offset});
  if (known == means_.end())
    return std::min<std::size_t>(batch_tasks_, 4);
  const auto mean = std::max<std::int64_t>(1, known->second);
  const auto many = std::chrono::nanoseconds{batch_time}.count() / mean;
  return std::clamp<std::size_t>(static_cast<std::size_t>(many), 1, batch_tasks_);
}

// The next tasks of one job that follow one another. Lanes may name tasks that do not wait any
// more, because they ended or were granted all the same.
std::optional<piece> submitter::next_piece(std::size_t most_tasks, std::uint64_t module,
                                           bool any_module) {
  while (!lanes_.empty()) {
    auto range = lanes_.front();
    auto* j = find(range.first);
    const auto waits = [&](std::uint64_t task) {
      return ledger::task_of(*j, task).where == place::waiting;
    };
    if (j == nullptr || !waits(range.first)) {
      lanes_.pop(1);
      continue;
    }
    if (!any_module && j->whole.stub.module != module)
      return std::nullopt;
    std::uint32_t count = 0;
    const auto most = std::min<std::size_t>({range.count, most_tasks, fitting(*j)});
    while (count < most && range.first + count < j->first + j->tasks.size()
           && waits(range.first + count))
      ledger_.offer(*j, range.first + count++);
    lanes_.pop(count);
    return part_of(j->whole, static_cast<std::uint32_t>(range.first - j->first), count);
  }
  return std::nullopt;
}

bool submitter::send_batch(time_point now) {
  if (ledger_.offered() >= (means_.empty() ? most_unknown : most_offered))
    return false;
  batch_message batch{name_, nodes_.lease().count(), {}};
  std::size_t tasks = 0;
  std::size_t size = 0;
  std::uint64_t module = 0;
  while (tasks < batch_tasks_ && size < batch_bytes_) {
    auto p = next_piece(batch_tasks_ - tasks, module, batch.pieces.empty());
    if (!p)
      break;
    module = p->stub.module;
    tasks += p->count;
    size += p->body.size();
    const auto* j = find(p->first);
    batch.pieces.push_back(std::move(*p));
    if (tasks >= fitting(*j))
      break;
  }
  if (batch.pieces.empty())
    return false;
  last_progress_ = now;
  ports_.publish(task_queue_of(queue_, module), pack(message_kind::batch, batch));
  return true;
}

void submitter::end(job& j, std::uint64_t task, failure&& f) {
  ++(f.kind == failure_kind::cancelled ? stats_.cancelled : stats_.failed);
  j.sink->on_failure(j.item(task), std::move(f));
  ports_.ended(task);
  deaths_.erase(task);
  const auto bytes = j.bytes();
  left(bytes, ledger_.end(j, task));
}

void submitter::left(std::size_t bytes, bool gone) noexcept {
  if (gone)
    bytes_ -= bytes;
}

// What nobody was granted ends here and now: nobody can be granted it any more. True where nothing
// of it is left that may run.
template <class F>
bool submitter::withdraw(job& j, bool kill_running, F&& which) {
  std::map<node_number, std::vector<task_range>> held;
  bool left = false;
  const auto first = j.first;
  const auto count = j.tasks.size();
  for (std::size_t i = 0; i < count && ledger_.find(first + i) == &j; ++i) {
    const auto t = j.tasks[i];
    if (!which(first + i) || t.where == place::ended)
      continue;
    if (t.where == place::granted) {
      left = true;
      append(held[t.node], first + i);
      continue;
    }
    left |= t.where == place::paused; // it has run
    auto f = runtime::failure_of(failure_kind::cancelled, "cancelled");
    f.may_have_executed = t.where == place::paused || t.attempt > 1;
    const bool last = j.ended + 1 == count;
    end(j, first + i, std::move(f));
    if (last)
      break;
  }
  for (auto& [node, tasks] : held)
    for (const auto& [name, known] : nodes_.all())
      if (known.number == node)
        ports_.publish(name, pack(message_kind::stop, stop_message{name_, kill_running, tasks}));
  return !left;
}

bool submitter::cancel(std::uint64_t task, bool kill_running) {
  auto* j = find(task);
  if (j == nullptr || ledger::task_of(*j, task).where == place::ended)
    return false;
  j->cancel_wanted = true;
  return withdraw(*j, kill_running, [&](std::uint64_t each) { return each == task; });
}

bool submitter::cancel_all(const detail::task_sink& sink, bool kill_running) {
  bool left = sink.began.load(std::memory_order_relaxed); // under our lock, as its writer
  std::vector<job*> jobs;
  ledger_.for_each([&](ledger_unit& u) {
    if (auto& j = static_cast<job&>(u); j.sink.get() == &sink)
      jobs.push_back(&j);
  });
  for (auto* j : jobs) {
    j->cancel_wanted = true;
    left |= !withdraw(*j, kill_running, [](std::uint64_t) { return true; });
  }
  return !left;
}

void submitter::cancel_pending() {
  std::vector<job*> jobs;
  ledger_.for_each([&](ledger_unit& u) { jobs.push_back(&static_cast<job&>(u)); });
  for (auto* j : jobs) {
    j->cancel_wanted = true;
    withdraw(*j, false, [](std::uint64_t) { return true; });
  }
}

void submitter::end_all(const failure& why) {
  const auto goodbye = pack(message_kind::bye, sign_message{name_});
  for (const auto& [name, known] : nodes_.all())
    ports_.publish(name, goodbye);
  std::vector<task_range> all;
  ledger_.for_each([&](ledger_unit& u) {
    all.push_back({u.first, static_cast<std::uint32_t>(u.tasks.size())});
  });
  for_tasks(all, [&](job& j, std::uint64_t task) {
    auto f = runtime::copy_of(why);
    const auto& t = ledger::task_of(j, task);
    f.may_have_executed = t.where == place::granted || t.where == place::paused || t.attempt > 1;
    end(j, task, std::move(f));
  });
}

bool submitter::runs(const detail::task_sink& sink) {
  bool found = false;
  ledger_.for_each([&](ledger_unit& u) {
    if (static_cast<job&>(u).sink.get() == &sink)
      for (const auto& t : u.tasks)
        found |= t.where == place::granted;
  });
  return found;
}

pool_stats submitter::stats() const {
  auto now = stats_;
  now.queued = ledger_.waiting() + ledger_.offered() + ledger_.paused();
  now.in_flight = ledger_.granted();
  return now;
}

std::vector<worker_info> submitter::workers() const {
  std::vector<worker_info> all;
  for (const auto& [name, n] : nodes_.all()) {
    worker_info info;
    info.id = n.number;
    info.state = ledger_.held_by(n.number) != 0 ? worker_state::busy : worker_state::idle;
    info.tasks_done = n.done;
    info.started_at = n.since;
    info.busy = n.busy;
    all.push_back(info);
  }
  return all;
}

std::chrono::nanoseconds submitter::mean_of(const detail::task_sink& sink) const noexcept {
  return std::chrono::nanoseconds{sink.mean_item_ns.load(std::memory_order_relaxed)}; // a hint
}

void submitter::note_mean(const job& j, std::int64_t mean_ns) {
  if (mean_ns <= 0)
    return;
  j.sink->mean_item_ns.store(
    static_cast<std::uint32_t>(std::clamp<std::int64_t>(mean_ns, 1, UINT32_MAX)),
    std::memory_order_relaxed); // a hint
  const std::pair key{j.whole.stub.module, j.whole.stub.offset};
  const auto found = means_.find(key);
  if (found != means_.end())
    found->second += (mean_ns - found->second) / 4;
  else if (means_.size() < most_means)
    means_.emplace(key, mean_ns);
}

} // namespace bulkhead::engine
