#pragma once

#include <bulkhead/options.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <random>
#include <string>

namespace bulkhead::runtime {

/// Whose turn it is, among `count` that are numbered from 0. Keys have one rule for the workers of
/// a pool and for the instances of a pool actor.
inline constexpr std::size_t nobody = SIZE_MAX;

/// Highest random weight (rendezvous hashing, Thaler and Ravishankar 1998): each key prefers the
/// members in an order of its own, so when one goes, only its keys move. `id(i)` is the same for as
/// long as a member lives. Nobody where none `serves(i)`.
template <class Id, class Serves>
std::size_t owner_of(const std::string& key, std::size_t count, Id&& id, Serves&& serves) {
  const auto hash = std::hash<std::string>{}(key);
  auto owner = nobody;
  std::uint64_t best = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (!serves(i))
      continue;
    std::uint64_t x = hash ^ (static_cast<std::uint64_t>(id(i)) * 0x9e3779b97f4a7c15U);
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U; // splitmix64's finalizer (Steele et al. 2014)
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
    x ^= x >> 31;
    if (owner == nobody || x > best) {
      owner = i;
      best = x;
    }
  }
  return owner;
}

/// Picks by a policy that needs no key; key_hash without one is least_loaded. A plain value.
class picker {
public:
  picker(dispatch_policy policy, std::uint64_t seed) : policy_(policy), random_(seed) {}

  /// Among those that `fit(i)`; the lower `load(i)`, the sooner. Nobody where none fits.
  template <class Fits, class Load>
  std::size_t pick(std::size_t count, Fits&& fits, Load&& load) {
    if (policy_ == dispatch_policy::round_robin || policy_ == dispatch_policy::random)
      return first_from(policy_ == dispatch_policy::random ? random_() : next_, count, fits);
    auto least = nobody;
    std::size_t lowest = 0;
    for (std::size_t i = 0; i < count; ++i) { // ties go to the first: the likeliest to be awake
      const auto here = load(i);
      if ((least != nobody && here >= lowest) || !fits(i))
        continue;
      least = i;
      lowest = here;
      if (here == 0)
        break;
    }
    return least;
  }

private:
  template <class Fits>
  std::size_t first_from(std::size_t start, std::size_t count, Fits&& fits) {
    for (std::size_t i = 0; i < count; ++i)
      if (const auto at = (start + i) % count; fits(at)) {
        next_ = at + 1;
        return at;
      }
    return nobody;
  }

  dispatch_policy policy_;
  std::size_t next_ = 0;
  std::mt19937_64 random_;
};

} // namespace bulkhead::runtime
