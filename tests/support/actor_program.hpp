#pragma once

#include "tests/support/player.hpp"

#include <cstdint>
#include <random>
#include <set>
#include <utility>
#include <vector>

namespace bulkhead::tests::play {

/// Orders that are given at once. What they show is the same in whatever order they come.
struct step {
  std::vector<std::pair<std::int32_t, order>> orders; ///< by the player that gets it
};

/// Makes a program as a seed wants it, step by step. Value: it is told who lives, as the next step
/// depends on that. Invariant: no step leaves an order open whose outcome two runs may tell
/// differently, or that nothing ends.
class program_writer {
public:
  /// `mild`: by no order does anybody end, or is anybody linked, or waits for one that may be
  /// killed.
  program_writer(std::uint64_t seed, bool mild) : random_(seed), mild_(mild) {
    players_ = 3 + pick(3);
    for (std::int32_t i = 0; i < players_; ++i)
      places_.push_back(pick(4));
  }

  std::int32_t players() const noexcept { return players_; }
  /// 0: the host; 1 and more: a worker.
  const std::vector<std::int32_t>& places() const noexcept { return places_; }

  step next(const std::set<std::int32_t>& alive);
  /// The orders after which nothing is open among those that live.
  step last(const std::set<std::int32_t>& alive, verb what);

private:
  static constexpr auto first_alone = static_cast<std::int32_t>(verb::ask_await);
  static constexpr auto verbs = static_cast<std::int32_t>(verb::number_of_verbs);

  std::int32_t pick(std::int32_t below) {
    return static_cast<std::int32_t>(random_() % static_cast<std::uint64_t>(below));
  }
  std::int32_t one_of(const std::set<std::int32_t>& all) {
    return *std::next(all.begin(), pick(static_cast<std::int32_t>(all.size())));
  }
  bool fits(std::int32_t player, const order& o, const std::set<std::int32_t>& alive) const;
  void took(std::int32_t player, const order& o);

  std::mt19937_64 random_;
  const bool mild_;
  std::int32_t players_ = 0; ///< so far; their numbers are those below
  std::vector<std::int32_t> places_;
  std::set<std::int32_t> asleep_;
  std::int32_t ops_ = 0;
};

inline bool ends_or_links(verb what) {
  switch (what) {
  case verb::link:
  case verb::send_exit:
  case verb::exit_with_handle:
  case verb::quit:
  case verb::quit_normally:
  case verb::ask_explode:
    return true;
  default:
    return false;
  }
}

inline bool is_spawn(verb what) { return what >= verb::spawn && what <= verb::spawn_detached; }

inline bool program_writer::fits(std::int32_t player, const order& o,
                                 const std::set<std::int32_t>& alive) const {
  const auto awake = [&](std::int32_t who) {
    return alive.contains(who) && !asleep_.contains(who);
  };
  switch (const auto what = static_cast<verb>(o.what)) {
  case verb::tell_late: // the receipt is waited for
    return !mild_ && awake(player) && awake(o.target);
  case verb::ask_silent: // of one that has ended, two errors are due
    return alive.contains(o.target);
  case verb::ask_stages: // whether the end of one of them is known yet makes a difference
    return alive.contains(o.target) && alive.contains(o.other);
  case verb::ask_await: // meanwhile nothing else is read
    return player != o.target && !asleep_.contains(o.target);
  case verb::ask_explode:
    return !mild_ && !asleep_.contains(o.target);
  case verb::forget: // everybody keeps knowing himself
    return player != o.target;
  case verb::sleep:
    return asleep_.size() < 2;
  case verb::give_null:
  case verb::give:
  case verb::give_all:
    return true;
  default:
    return (!mild_ || !ends_or_links(what)) && (!is_spawn(what) || players_ < 9);
  }
}

inline void program_writer::took(std::int32_t player, const order& o) {
  const auto what = static_cast<verb>(o.what);
  if (what == verb::sleep)
    asleep_.insert(player);
  if (what == verb::wake)
    asleep_.erase(player);
  if (is_spawn(what))
    ++players_;
}

inline step program_writer::next(const std::set<std::int32_t>& alive) {
  step result;
  const bool alone = pick(2) == 0;
  const std::size_t wanted = alone ? 1 : static_cast<std::size_t>(1 + pick(8));
  while (result.orders.size() < wanted) {
    const auto player = one_of(alive);
    order o;
    o.what = alone ? first_alone + pick(verbs - first_alone) : pick(first_alone);
    o.target = pick(players_);
    o.other = is_spawn(static_cast<verb>(o.what)) ? players_ : pick(players_);
    if (!fits(player, o, alive))
      continue;
    o.op = ++ops_;
    if (is_spawn(static_cast<verb>(o.what)) || o.what == static_cast<std::int32_t>(verb::wake)
        || o.what == static_cast<std::int32_t>(verb::sleep))
      o.target = player;
    took(player, o);
    result.orders.emplace_back(player, o);
  }
  return result;
}

inline step program_writer::last(const std::set<std::int32_t>& alive, verb what) {
  step result;
  for (const auto player : alive) {
    order o{static_cast<std::int32_t>(what), ++ops_, player, player};
    took(player, o);
    result.orders.emplace_back(player, o);
  }
  return result;
}

} // namespace bulkhead::tests::play
