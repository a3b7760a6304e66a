#include "engine/node/node.hpp"

#include "engine/node/offered_modules.hpp"
#include "engine/submitter/submitter.hpp"

#include <bulkhead/version.hpp>

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <utility>

// What a node says: outcomes, until the submitter has taken them, and that it is there.
namespace bulkhead::engine {

namespace {

using namespace std::chrono_literals;
using clock = std::chrono::steady_clock;

constexpr auto letter_patience = 2s; ///< then a letter is sent again
constexpr std::size_t full_letter = std::size_t{1} << 20;

} // namespace

// How long a task takes, by how many have ended since the last look: workers do not measure each of
// the short ones.
std::int64_t node::measure(std::size_t ended) {
  const auto now = clock::now();
  const auto time = std::chrono::nanoseconds{now - std::exchange(measured_, now)}.count();
  const auto workers = static_cast<std::int64_t>(pool_.core()->options().max_workers);
  return std::max<std::int64_t>(1, time * workers / static_cast<std::int64_t>(ended));
}

void node::send_outcomes() {
  std::map<std::string, std::vector<outcome_run>> runs;
  std::map<std::string, std::size_t> sizes;
  auto arrived = box_.take();
  std::size_t ended = 0;
  for (const auto& outcomes : arrived)
    for (const auto& run : outcomes.runs)
      ended += run.tasks.count;
  if (ended == 0)
    return;
  running_ -= std::min(running_, ended);
  const auto mean = measure(ended);
  for (auto& outcomes : arrived) {
    const auto found = patrons_.find(outcomes.pool);
    auto* piece = found == patrons_.end() ? nullptr : found->second.find(outcomes.first);
    for (auto& run : outcomes.runs) {
      outstanding_ -= std::min<std::size_t>(outstanding_, run.tasks.count);
      if (run.kind == run_kind::values && run.mean_ns == 0)
        run.mean_ns = mean;
      if (run.mean_ns > 0)
        mean_ns_ += mean_ns_ == 0 ? run.mean_ns : (run.mean_ns - mean_ns_) / 4;
      if (piece == nullptr)
        continue; // its submitter is gone
      piece->running -= std::min(piece->running, run.tasks.count);
      auto& size = sizes[outcomes.pool];
      auto& all = runs[outcomes.pool];
      if (size + run.bytes.size() > full_letter && !all.empty()) {
        send_letter(outcomes.pool, found->second, std::exchange(all, {}));
        size = 0;
      }
      size += run.bytes.size();
      all.push_back(std::move(run));
    }
  }
  for (auto& [pool, all] : runs)
    if (!all.empty())
      send_letter(pool, patrons_[pool], std::move(all));
}

void node::send_letter(const std::string& pool, patron& to, std::vector<outcome_run> runs) {
  patron::letter letter;
  for (const auto& run : runs)
    letter.tasks.push_back(run.tasks);
  const auto number = ++to.last_letter;
  letter.message = pack(message_kind::outcomes, outcomes_message{name_, number, std::move(runs)});
  letter.sent = clock::now();
  letter_bytes_ += letter.message.size();
  publish(pool, letter.message);
  to.letters.emplace(number, std::move(letter));
}

void node::take_settled(std::span<const std::byte> message) {
  const auto said = unpack<settled_message>(message);
  const auto from = patrons_.find(said.pool);
  if (from == patrons_.end())
    return;
  from->second.heard = clock::now();
  const auto letter = from->second.letters.find(said.letter);
  if (letter == from->second.letters.end())
    return;
  for (const auto& tasks : letter->second.tasks)
    if (auto* piece = from->second.find(tasks.first)) {
      piece->unsettled -= std::min(piece->unsettled, tasks.count);
      if (piece->unsettled == 0 && piece->running == 0)
        from->second.pieces.erase(piece->content.first);
    }
  letter_bytes_ -= letter->second.message.size();
  from->second.letters.erase(letter);
}

void node::send_again(time_point now, bool all) {
  for (auto& [pool, to] : patrons_)
    for (auto& [number, letter] : to.letters)
      if (all || now - letter.sent >= letter_patience) {
        letter.sent = now;
        publish(pool, letter.message);
      }
}

// A submitter that is not heard of for a lease has gone, or has given this node up: what runs for
// it ends. While there is no connection nobody can be heard, and what runs goes on.
void node::look_at_patrons(time_point now) {
  if (!courier_.up() || courier_.blocked())
    return;
  std::vector<std::string> gone;
  for (const auto& [pool, p] : patrons_) {
    const bool idle = p.pieces.empty() && p.letters.empty();
    if (now - p.heard > p.lease * 3 / 2 || (idle && now - p.heard > 10s))
      gone.push_back(pool);
  }
  for (const auto& pool : gone)
    forget(pool);
}

void node::forget(const std::string& pool) {
  const auto found = patrons_.find(pool);
  if (found == patrons_.end())
    return;
  auto last = std::move(found->second);
  patrons_.erase(found);
  for (auto& [first, piece] : last.pieces) {
    if (piece.at == stage::asked)
      outstanding_ -= std::min<std::size_t>(outstanding_, piece.content.count);
    if (piece.at != stage::taken)
      drop_batch(decide(piece), packet_kind::ack);
    for (const auto& sink : piece.sinks)
      pool_.core()->cancel_all(*sink, true);
  }
  for (const auto& [number, letter] : last.letters)
    letter_bytes_ -= letter.message.size();
}

void node::take_sign(std::span<const std::byte> message, message_kind kind) {
  if (kind != message_kind::ping && kind != message_kind::bye && kind != message_kind::who)
    return;
  const auto from = unpack<sign_message>(message).from;
  if (kind == message_kind::bye)
    return forget(from);
  if (kind == message_kind::who)
    return answer_who(from);
  // Who is pinged is thought to have tasks. To have none of somebody unknown is to have lost them.
  const auto found = patrons_.find(from);
  if (found != patrons_.end())
    found->second.heard = clock::now();
  publish(from, pack(found != patrons_.end() ? message_kind::pong : message_kind::bye,
                     sign_message{name_}));
}

void node::answer_who(const std::string& to) {
  offer_message offer;
  offer.node = name_;
  offer.version = std::string{version()};
  offer.workers = pool_.core()->options().max_workers;
  offer.running = outstanding_;
  offer.clock_ns =
    std::chrono::nanoseconds{std::chrono::system_clock::now().time_since_epoch()}.count();
  for (const auto& module : offered_modules()) {
    char id[24];
    std::snprintf(id, sizeof id, " (%016" PRIx64 ")", module.id);
    offer.modules.push_back(module.path + id);
  }
  publish(to, pack(message_kind::offer, offer));
}

} // namespace bulkhead::engine
