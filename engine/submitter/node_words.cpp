#include "engine/submitter/submitter.hpp"
#include "engine/wire/failure_record.hpp"
#include "runtime/dispatch/retry_rule.hpp"
#include "runtime/outcome/failure_wire.hpp"

#include <bulkhead/error.hpp>

#include <cstring>
#include <utility>

// What nodes say. A word counts where the ledger says so; whatever makes no sense is counted and
// dropped.
namespace bulkhead::engine {

namespace {

constexpr std::uint64_t most_asked = 1U << 20;
constexpr std::size_t most_nodes = 20'000;
constexpr std::size_t most_name = 200;

} // namespace

void submitter::on_message(std::span<const std::byte> message, time_point now) {
  switch (kind_of(message)) {
  case message_kind::ask:
    return answer_ask(message, now);
  case message_kind::outcomes:
    return take_outcomes(message, now);
  case message_kind::pong:
    if (const auto said = read<sign_message>(message); said && nodes_.find(said->from) != nullptr)
      hear(said->from, now);
    return;
  case message_kind::bye:
    return take_bye(message, now);
  case message_kind::offer:
    return take_offer(message);
  default:
    ++stats_.bad_messages;
  }
}

nodes::node& submitter::hear(const std::string& node, time_point now) {
  bool is_new = false;
  auto& known = nodes_.hear(node, now, is_new);
  if (is_new) {
    pool_event event;
    event.kind = event_kind::ready;
    event.worker = known.number;
    event.text = "node " + runtime::printable(node) + " takes tasks";
    ports_.tell(std::move(event));
  }
  return known;
}

void submitter::answer_ask(std::span<const std::byte> message, time_point now) {
  const auto said = read<ask_message>(message);
  if (!said)
    return;
  const bool known = nodes_.find(said->node) != nullptr;
  if (!sound(said->wanted, most_asked) || said->node.size() > most_name
      || (!known && nodes_.all().size() >= most_nodes)) {
    ++stats_.bad_messages;
    return;
  }
  expire(now); // what expired is granted to nobody
  last_progress_ = now;
  vanished_ = 0;
  auto answer = ledger_.ask(hear(said->node, now).number, said->number, said->wanted);
  grant_message grant{name_, said->number, {}, std::move(answer.denied)};
  for (const auto& range : answer.granted)
    for_jobs(range, [&](job& j, task_range part) { // one deadline each
      std::int64_t left = 0;
      if (j.deadline != time_point::max())
        left = std::max<std::int64_t>(1, std::chrono::nanoseconds{j.deadline - now}.count());
      grant.granted.push_back({part, left});
      j.sink->began.store(true, std::memory_order_relaxed); // under our lock, as its reader
      accept(j.whole.stub.module);
    });
  ports_.publish(said->node, pack(message_kind::grant, grant));
}

void submitter::take_outcomes(std::span<const std::byte> message, time_point now) {
  const auto said = read<outcomes_message>(message);
  if (!said)
    return;
  // A node that was given up hears that its letter arrived, and nothing in it counts.
  if (nodes_.find(said->node) != nullptr) {
    auto& from = hear(said->node, now);
    for (const auto& run : said->runs)
      if (sound(run))
        take_run(from, said->node, run, now);
      else
        ++stats_.bad_messages;
  } else {
    for (const auto& run : said->runs)
      stats_.dead_letters += run.kind == run_kind::not_begun ? 0 : run.tasks.count;
  }
  ports_.publish(said->node, pack(message_kind::settled, settled_message{name_, said->letter}));
}

void submitter::take_run(nodes::node& from, const std::string& name, const outcome_run& run,
                         time_point now) {
  const auto number = from.number;
  if (run.kind == run_kind::values) {
    from.done += run.tasks.count;
    from.busy += std::chrono::nanoseconds{run.mean_ns} * run.tasks.count;
    return take_values(number, run);
  }
  std::optional<failure> f;
  if (run.kind == run_kind::failure && !(f = decode_record(run.bytes))) {
    ++stats_.bad_messages;
    f = failure{};
    f->kind = failure_kind::codec;
    f->message = "node " + name + " sent a failure that is none";
    f->may_have_executed = true;
  }
  for (auto task = run.tasks.first; task != run.tasks.end(); ++task) {
    auto* j = find(task);
    if (j == nullptr || !ledger_.holds(number, run.number, *j, task)) {
      stats_.dead_letters += f ? 1 : 0;
      continue;
    }
    if (!f) {
      take_back(*j, task);
      continue;
    }
    ++from.done;
    take_failure(name, *j, task, std::move(*f), now);
  }
}

// Results of tasks that follow one another in one job go to the sink together.
void submitter::take_values(node_number from, const outcome_run& run) {
  std::span<const std::byte> rest{run.bytes};
  const auto* begin = rest.data();
  std::uint64_t first = 0;
  std::uint32_t count = 0;
  const auto flush = [&](const std::byte* end) {
    if (count != 0)
      deliver(*find(first), first, count, {begin, static_cast<std::size_t>(end - begin)});
    count = 0;
  };
  job* current = nullptr;
  for (auto task = run.tasks.first; task != run.tasks.end(); ++task) {
    std::uint32_t length = 0;
    std::memcpy(&length, rest.data(), sizeof length);
    auto* j = find(task);
    const bool counts = j != nullptr && ledger_.holds(from, run.number, *j, task);
    if (!counts || j != current) {
      flush(rest.data());
      begin = rest.data();
      first = task;
      current = counts ? j : nullptr;
    }
    if (counts) {
      if (count == 0) {
        first = task;
        begin = rest.data();
        note_mean(*j, run.mean_ns);
      }
      ++count;
    } else {
      ++stats_.dead_letters;
    }
    rest = rest.subspan(sizeof length + length);
  }
  flush(rest.data());
}

void submitter::deliver(job& j, std::uint64_t first, std::uint32_t count,
                        std::span<const std::byte> results) {
  stats_.succeeded += count;
  const auto sink = j.sink;
  const auto item = j.item(first);
  if (count == 1) {
    sink->on_value(item, results.subspan(sizeof(std::uint32_t)));
  } else {
    detail::result_column column;
    column.bytes = detail::make_bytes(results.size());
    std::memcpy(column.bytes.get(), results.data(), results.size());
    column.size = results.size();
    column.items = count;
    sink->on_column(item, std::move(column));
  }
  const auto bytes = j.bytes();
  bool gone = false;
  for (auto task = first; task != first + count; ++task) {
    ports_.ended(task);
    if (!deaths_.empty())
      deaths_.erase(task);
    gone = ledger_.end(j, task);
  }
  left(bytes, gone);
}

void submitter::take_failure(const std::string& name, job& j, std::uint64_t task, failure f,
                             time_point now) {
  f.message += "\n  on node " + runtime::printable(name);
  const bool death = f.kind == failure_kind::worker_died;
  if (death && options_.poison_after != 0 && ledger::may_retry(j, task)
      && ++deaths_[task] >= options_.poison_after) {
    f.kind = failure_kind::poisoned;
    f.message = "it killed " + std::to_string(deaths_[task]) + " workers: " + f.message;
    return end(j, task, std::move(f));
  }
  const auto& policy = runtime::policy_of(j.options.get(), options_);
  if (j.cancel_wanted || !ledger::may_retry(j, task) || !runtime::may_follow(policy, f))
    return end(j, task, std::move(f));
  ++stats_.retried;
  ledger_.pause(j, task);
  pauses_.emplace(now + runtime::pause_before(policy, ledger::task_of(j, task).attempt), task);
}

// Never begun, so it may run elsewhere; a cancel that was on its way to it is final now.
void submitter::take_back(job& j, std::uint64_t task) {
  ledger_.give_back(j, task);
  if (j.cancel_wanted) {
    failure f;
    f.kind = failure_kind::cancelled;
    f.message = "cancelled";
    f.may_have_executed = ledger::task_of(j, task).attempt > 1;
    return end(j, task, std::move(f));
  }
  ++stats_.requeued;
  wait_again({task, 1});
}

namespace {

std::string text_of(const offer_message& said) {
  auto text = runtime::printable(said.node) + ":";
  for (const auto& module : said.modules)
    text += " " + runtime::printable(module);
  return text;
}

} // namespace

void submitter::take_offer(std::span<const std::byte> message) {
  const auto said = read<offer_message>(message);
  if (!said)
    return;
  const auto text = text_of(*said);
  for (auto& refusal : refused_)
    if (refusal.second.offers.size() < 100)
      refusal.second.offers.push_back(text);
}

// It has nothing more to say: what it still holds is lost with it.
void submitter::take_bye(std::span<const std::byte> message, time_point now) {
  if (const auto said = read<sign_message>(message); said && nodes_.find(said->from) != nullptr)
    lose(said->from, now, "left while it had the task");
}

} // namespace bulkhead::engine
