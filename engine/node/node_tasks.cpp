#include "engine/node/node.hpp"

#include "runtime/outcome/failure_wire.hpp"

#include <bulkhead/error.hpp>

#include <algorithm>
#include <utility>

// How tasks come to a node: batches, questions, grants.
namespace bulkhead::engine {

namespace {

using namespace std::chrono_literals;
using clock = std::chrono::steady_clock;

constexpr auto held_at_most = 20ms;  ///< a batch that cannot begin here is for others
constexpr auto answer_patience = 2s; ///< then a question is asked again
constexpr std::size_t most_batches = 16;
constexpr std::size_t most_ahead = 8192;
constexpr std::size_t most_letter_bytes = std::size_t{64} << 20;
constexpr auto absence = 300ms; ///< its batches are dropped meanwhile; it sends them again
constexpr std::uint64_t most_tasks = 1U << 20;

std::chrono::seconds patience_of(std::uint32_t asked) noexcept {
  return answer_patience * (1U << std::min(asked, 5U));
}

} // namespace

// How many tasks may be asked for, or run: what the workers do next, and for short tasks what they
// do while a question is on its way. No more: what is granted here is lost with this node.
std::size_t node::target() const {
  const auto workers = pool_.core()->options().max_workers;
  constexpr std::int64_t long_task = 100'000'000;
  constexpr std::int64_t ahead = 5'000'000;
  if (mean_ns_ == 0 || mean_ns_ >= long_task)
    return workers;
  const auto more = std::max<std::size_t>(1, static_cast<std::size_t>(ahead / mean_ns_));
  return workers + std::min(workers * more, most_ahead);
}

void node::drop_batch(const std::shared_ptr<held_batch>& batch, packet_kind how) {
  if (batch && batch->life == courier_.life())
    courier_.put(how, batch->tag);
}

void node::take_batch(const packet& p) {
  auto batch = std::make_shared<held_batch>();
  batch->tag = p.number;
  batch->life = courier_.life();
  batch_message said;
  bool good = kind_of(p.body) == message_kind::batch;
  try {
    if (good)
      said = unpack<batch_message>(p.body);
  } catch (const codec_error&) {
    good = false;
  }
  if (!good) // no batch: nobody can do anything with it
    return drop_batch(batch, packet_kind::ack);
  if (draining_)
    return drop_batch(batch, packet_kind::give_back);
  const auto now = clock::now();
  auto [found, made] = patrons_.try_emplace(said.pool);
  auto& from = found->second;
  if (made)
    from.heard = now;
  from.lease = std::chrono::nanoseconds{
    std::clamp<std::int64_t>(said.lease_ns, 1'000'000'000, 86'400'000'000'000)};
  if (now < from.absent_until)
    return drop_batch(batch, packet_kind::ack);
  for (auto& each : said.pieces) {
    // What is here already came twice: its submitter thought it lost, and is there to be asked.
    if (auto* here = from.find(each.first); here != nullptr && here->at == stage::away)
      here->since = {};
    if (!sound(each) || from.overlaps({each.first, each.count}))
      continue;
    held_piece piece;
    piece.since = now;
    piece.batch = batch;
    ++batch->undecided;
    held_.emplace_back(said.pool, each.first);
    const auto first = each.first;
    piece.content = std::move(each);
    from.pieces.emplace(first, std::move(piece));
  }
  if (batch->undecided == 0)
    drop_batch(batch, packet_kind::ack);
}

// Asks for as much as can begin soon.
void node::ask() {
  if (!courier_.up() || draining_ || letter_bytes_ > most_letter_bytes)
    return;
  std::map<std::string, std::vector<task_range>> wanted;
  const auto now = clock::now();
  for (const auto most = target(); !held_.empty() && outstanding_ < most; held_.pop_front()) {
    const auto& [pool, first] = held_.front();
    const auto from = patrons_.find(pool);
    auto* piece = from == patrons_.end() ? nullptr : from->second.find(first);
    if (piece == nullptr || piece->at != stage::held)
      continue;
    outstanding_ += piece->content.count;
    piece->at = stage::asked;
    piece->since = now;
    piece->number = from->second.last_number + 1;
    wanted[pool].push_back({first, piece->content.count});
  }
  for (auto& [pool, ranges] : wanted) {
    std::sort(ranges.begin(), ranges.end(),
              [](const task_range& a, const task_range& b) { return a.first < b.first; });
    publish(pool, pack(message_kind::ask,
                       ask_message{name_, ++patrons_[pool].last_number, std::move(ranges)}));
  }
}

// Under a new number: an answer to the old one does not count here any more. So a submitter that is
// slow to answer gets ever more time.
void node::ask_again(time_point now) {
  for (auto& [pool, from] : patrons_) {
    std::vector<task_range> wanted;
    for (auto& [first, piece] : from.pieces)
      if ((piece.at == stage::asked || piece.at == stage::away)
          && (now == time_point::max() || now - piece.since >= patience_of(piece.asked))) {
        ++piece.asked;
        piece.since = clock::now();
        piece.number = from.last_number + 1;
        wanted.push_back({first, piece.content.count});
      }
    if (!wanted.empty())
      publish(pool,
              pack(message_kind::ask, ask_message{name_, ++from.last_number, std::move(wanted)}));
  }
}

void node::take_grant(std::span<const std::byte> message) {
  const auto said = unpack<grant_message>(message);
  const auto from = patrons_.find(said.pool);
  std::vector<task_range> granted;
  for (const auto& g : said.granted)
    granted.push_back(g.tasks);
  if (from == patrons_.end() || !sound(granted, most_tasks) || !sound(said.denied, most_tasks))
    return;
  from->second.heard = clock::now();
  // Each piece that this answers: what of it is granted runs, and the rest is not for this node.
  const auto answered = [&](std::uint64_t task) {
    auto* piece = from->second.find(task);
    const bool counts = piece != nullptr && (piece->at == stage::asked || piece->at == stage::away)
                        && piece->number == said.number;
    return counts ? piece : nullptr;
  };
  std::vector<std::uint64_t> over;
  std::map<std::uint64_t, std::vector<granted_range>> parts;
  for (const auto& g : said.granted)
    for (auto task = g.tasks.first; task < g.tasks.end();) {
      auto* piece = answered(task);
      const auto end = piece == nullptr
                         ? task + 1
                         : std::min(g.tasks.end(), piece->content.first + piece->content.count);
      if (piece != nullptr)
        parts[piece->content.first].push_back(
          {{task, static_cast<std::uint32_t>(end - task)}, g.left_ns});
      task = end;
    }
  for (const auto& range : said.denied)
    for (auto task = range.first; task < range.end();) {
      auto* piece = answered(task);
      if (piece != nullptr && !parts.contains(piece->content.first))
        over.push_back(piece->content.first);
      task = piece == nullptr ? task + 1 : piece->content.first + piece->content.count;
    }
  for (const auto& [first, ranges] : parts) {
    auto& piece = *from->second.find(first);
    if (piece.at == stage::asked)
      outstanding_ -= piece.content.count;
    piece.at = stage::taken;
    for (const auto& range : ranges)
      run(said.pool, piece, range);
    piece.content.body = {}; // the pool has it
    drop_batch(decide(piece), packet_kind::ack);
  }
  for (const auto first : over) {
    auto* piece = from->second.find(first);
    if (piece == nullptr)
      continue;
    if (piece->at == stage::asked)
      outstanding_ -= piece->content.count;
    drop_batch(decide(*piece), packet_kind::ack);
    from->second.pieces.erase(first);
  }
}

void node::run(const std::string& pool, held_piece& p, const granted_range& granted) {
  const auto count = granted.tasks.count;
  auto part =
    part_of(p.content, static_cast<std::uint32_t>(granted.tasks.first - p.content.first), count);
  auto sink = std::make_shared<result_sink>(box_, pool, p.content.first, p.number);
  p.sinks.push_back(sink);
  if (running_ == 0)
    measured_ = clock::now();
  running_ += count;
  p.running += count;
  p.unsettled += count;
  outstanding_ += count;
  detail::work w;
  w.stub = part.stub;
  w.loop = part.loop;
  w.body.append(part.body.data(), part.body.size());
  w.callable_bytes = part.callable_bytes;
  w.item_bytes = part.item_bytes;
  w.result_bytes = part.result_bytes;
  w.items = count;
  w.first_item = granted.tasks.first;
  w.sink = sink;
  auto options = std::make_shared<task_options>();
  options->timeout = std::chrono::nanoseconds{std::max<std::int64_t>(0, part.timeout_ns)};
  options->soft_timeout = std::chrono::nanoseconds{std::max<std::int64_t>(0, part.soft_timeout_ns)};
  options->deadline = std::chrono::nanoseconds{std::max<std::int64_t>(0, granted.left_ns)};
  options->priority = part.priority;
  options->retries = 0; // the submitter decides
  w.options = std::move(options);
  failure refused;
  refused.kind = failure_kind::cancelled;
  try {
    // Not while nothing may begin: then it goes back.
    if (!draining_ && pool_.core()->submit(std::move(w), detail::admission::try_only))
      return;
  } catch (const error& e) {
    refused = e.info();
  }
  for (std::uint32_t i = 0; i < count; ++i) {
    auto f = refused;
    sink->on_failure(granted.tasks.first + i, std::move(f));
  }
}

// A question found no queue: its submitter is gone, or away and will send again what nobody was
// granted. So what is left of the dead keeps no node from work. What was asked for before may have
// been granted here, and the answer lost with the queue: nobody else gets it then, so it is asked
// for again, until the submitter answers or has not been heard of for its lease.
void node::take_returned(const packet& p) {
  const auto from = patrons_.find(std::string{p.name});
  if (from == patrons_.end() || kind_of(p.body) != message_kind::ask)
    return;
  from->second.absent_until = clock::now() + absence;
  for (auto at = from->second.pieces.begin(); at != from->second.pieces.end();) {
    auto& piece = at->second;
    if (piece.at == stage::asked) {
      outstanding_ -= piece.content.count;
      piece.at = stage::away;
    }
    if (piece.at != stage::held) {
      ++at;
      continue;
    }
    drop_batch(decide(piece), packet_kind::ack);
    at = from->second.pieces.erase(at);
  }
}

// Of one piece each: a submitter withdraws what was submitted together.
void node::take_stop(std::span<const std::byte> message) {
  const auto said = unpack<stop_message>(message);
  const auto from = patrons_.find(said.pool);
  if (from == patrons_.end() || !sound(said.tasks, most_tasks))
    return;
  from->second.heard = clock::now();
  for (const auto& range : said.tasks)
    for (auto task = range.first; task < range.end();) {
      auto* piece = from->second.find(task);
      if (piece == nullptr) {
        ++task;
        continue;
      }
      for (const auto& sink : piece->sinks)
        pool_.core()->cancel_all(*sink, said.kill_running);
      task = piece->content.first + piece->content.count;
    }
}

// Takes batches while there is something to do for them. A node whose workers are busy gives back
// what it has and takes no more, so that nobody idles while a task waits behind a long one.
void node::balance() {
  if (!courier_.up())
    return;
  if (draining_) {
    if (std::exchange(consuming_, 0) != 0)
      courier_.put(packet_kind::pause);
    return;
  }
  const auto now = clock::now();
  const auto most = target();
  if (outstanding_ >= most || letter_bytes_ > most_letter_bytes) {
    const bool late = !held_.empty() && [&] {
      const auto from = patrons_.find(held_.front().first);
      const auto* piece =
        from == patrons_.end() ? nullptr : from->second.find(held_.front().second);
      return piece == nullptr || now - piece->since >= held_at_most;
    }();
    if (late) {
      if (std::exchange(consuming_, 0) != 0)
        courier_.put(packet_kind::pause);
      give_back_held(now - held_at_most);
    }
    return;
  }
  const bool is_short = mean_ns_ != 0 && mean_ns_ < std::chrono::nanoseconds{held_at_most}.count();
  const auto wish =
    is_short ? most_batches : std::clamp<std::size_t>(most - outstanding_, 1, most_batches);
  if (consuming_ != 0 && (consuming_ >= wish || !is_short))
    return;
  consuming_ = wish;
  courier_.put(packet_kind::consume, wish);
}

// Those that came no later than this.
void node::give_back_held(time_point before) {
  for (std::deque<std::pair<std::string, std::uint64_t>> rest = std::exchange(held_, {});
       !rest.empty(); rest.pop_front()) {
    const auto& [pool, first] = rest.front();
    const auto from = patrons_.find(pool);
    auto* piece = from == patrons_.end() ? nullptr : from->second.find(first);
    if (piece == nullptr || piece->at != stage::held)
      continue;
    if (piece->since > before) {
      held_.push_back(rest.front());
      continue;
    }
    // The whole batch goes back with its first piece; what of it was granted is denied to others.
    if (const auto batch = std::exchange(piece->batch, nullptr); batch && batch->undecided != 0) {
      batch->undecided = 0;
      drop_batch(batch, packet_kind::give_back);
    }
    from->second.pieces.erase(first);
  }
}

} // namespace bulkhead::engine
