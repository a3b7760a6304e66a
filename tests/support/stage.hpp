#pragma once

#include "tests/support/actor_program.hpp"
#include "tests/support/eventually.hpp"

#include <caf/scoped_actor.hpp>
#include <doctest/doctest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace bulkhead::tests::play {

/// What all players saw, in the order in which the recorder heard it.
class record {
public:
  void add(const event& x) {
    std::lock_guard lock{mutex_};
    events_.push_back(x);
  }
  std::size_t size() const {
    std::lock_guard lock{mutex_};
    return events_.size();
  }
  std::vector<event> since(std::size_t first) const {
    std::lock_guard lock{mutex_};
    return {events_.begin() + static_cast<std::ptrdiff_t>(std::min(first, events_.size())),
            events_.end()};
  }
  /// The same of some players alone.
  std::vector<event> since(std::size_t first, const std::set<std::int32_t>& players) const {
    auto result = since(first);
    std::erase_if(result, [&](const event& x) { return !players.contains(x.player); });
    return result;
  }

private:
  mutable std::mutex mutex_;
  std::vector<event> events_;
};

class recording_actor : public caf::event_based_actor {
public:
  recording_actor(caf::actor_config& config, std::shared_ptr<record> into)
    : event_based_actor(config), into_(std::move(into)) {}
  caf::behavior make_behavior() override {
    return {[this](const event& x) { into_->add(x); }, [](const ping&) { return 0; }};
  }

private:
  const std::shared_ptr<record> into_;
};

/// Runs a program's steps with players that some function spawns, one step after the other.
class stage {
public:
  using spawner =
    std::function<caf::actor(const caf::actor& recorder, std::int32_t number, std::int32_t place)>;

  stage(caf::actor_system& system, const spawner& spawn, const std::vector<std::int32_t>& places)
    : self_(system), seen_(std::make_shared<record>()),
      recorder_(system.spawn<recording_actor>(seen_)) {
    for (std::size_t i = 0; i < places.size(); ++i) {
      const auto number = static_cast<std::int32_t>(i);
      join(number, spawn(recorder_, number, places[i]));
    }
  }
  ~stage() {
    for (const auto& [number, player] : players_)
      self_->send_exit(player, caf::exit_reason::kill);
    self_->send_exit(recorder_, caf::exit_reason::kill);
  }
  stage(const stage&) = delete;
  stage& operator=(const stage&) = delete;

  /// Gives each player the handles of all. A step of its own.
  void introduce() {
    std::vector<caf::actor> all;
    for (const auto& [number, player] : players_)
      all.push_back(player);
    for (const auto& player : all)
      actors::tell(&*self_, player, all);
  }
  /// An empty step introduces.
  void give(const step& s) {
    if (s.orders.empty())
      introduce();
    for (const auto& [player, o] : s.orders)
      actors::tell(&*self_, players_.at(player), o);
  }
  /// After the step has come to rest: new players join.
  void admit(const step& s) {
    for (const auto& [parent, o] : s.orders)
      if (is_spawn(static_cast<verb>(o.what)) && alive_.contains(parent))
        if (auto child = fetch(parent, o.other))
          join(o.other, std::move(child));
  }
  /// Until each player that lives has read, `rounds` times, what had come before, and none has a
  /// timer.
  void rest(int rounds) {
    for (int i = 0; i < rounds;)
      i = round() ? i + 1 : 0;
  }
  const std::set<std::int32_t>& alive() const noexcept { return alive_; }
  record& seen() noexcept { return *seen_; }
  /// The process of a player; 0 where it does not answer.
  pid_t pid_of(std::int32_t number) {
    pid_t result = 0;
    actors::ask(&*self_, players_.at(number), std::chrono::seconds{60}, caf::get_atom_v)
      .receive([&](std::int32_t pid) { result = pid; }, [](const caf::error&) {});
    return result;
  }

  /// Ends all and tells how each has ended.
  std::map<std::int32_t, std::string> finish() {
    for (const auto& [number, player] : players_)
      self_->send_exit(player, caf::exit_reason::kill);
    for (const auto& [number, player] : players_)
      await_end(number);
    return ends_;
  }

private:
  void join(std::int32_t number, caf::actor player) {
    self_->monitor(player);
    players_[number] = std::move(player);
    alive_.insert(number);
  }
  /// The last that an end does is to tell this actor, which was the first that wanted to know.
  void await_end(std::int32_t awaited) {
    bool late = false;
    while (!ends_.contains(awaited) && !late)
      self_->receive(
        [&](const caf::down_msg& x) {
          for (const auto& [number, player] : players_)
            if (player.address() == x.source)
              ends_[number] += in_words(x.reason);
        },
        caf::after(std::chrono::seconds{60}) >> [&] { late = true; });
  }
  caf::actor fetch(std::int32_t parent, std::int32_t number) {
    caf::actor result;
    actors::ask(&*self_, players_.at(parent), std::chrono::seconds{60}, bring{number})
      .receive([&](const caf::actor& x) { result = x; }, [](const caf::error&) {});
    return result;
  }
  bool round() {
    bool at_rest = true;
    for (const auto number : std::vector<std::int32_t>(alive_.begin(), alive_.end()))
      actors::ask(&*self_, players_.at(number), std::chrono::seconds{60}, ping{})
        .receive([&](std::int32_t firing) { at_rest = at_rest && firing == 0; },
                 [&](const caf::error& e) {
                   if (e == caf::sec::request_timeout)
                     FAIL("player ", number, " does not answer");
                   alive_.erase(number);
                   await_end(number);
                 });
    // What they told before they answered has been written down then.
    actors::ask(&*self_, recorder_, std::chrono::seconds{60}, ping{})
      .receive([](std::int32_t) {}, [](const caf::error&) { FAIL("the recorder is gone"); });
    return at_rest;
  }

  caf::scoped_actor self_;
  std::shared_ptr<record> seen_;
  caf::actor recorder_;
  std::map<std::int32_t, caf::actor> players_;
  std::set<std::int32_t> alive_;
  std::map<std::int32_t, std::string> ends_; ///< how each has ended; one DOWN each
};

/// The events of one step in an order that does not depend on who was quicker.
inline std::vector<std::string> in_order(const std::vector<event>& events) {
  std::vector<std::string> result;
  result.reserve(events.size());
  for (const auto& x : events)
    result.push_back("player " + std::to_string(x.player) + ", op " + std::to_string(x.op) + ": "
                     + x.text);
  std::sort(result.begin(), result.end());
  return result;
}

} // namespace bulkhead::tests::play
