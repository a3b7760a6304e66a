#pragma once

#include <bulkhead/failure.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace bulkhead::runtime {

/// What a host sees of a worker at one moment. The worker's own words: taken for what they are, a
/// lie about them harms only the liar.
struct turn_facts {
  using time_point = std::chrono::steady_clock::time_point;

  std::uint64_t beat = 0;          ///< any number that moves while the process is not frozen
  bool ready = true;               ///< it serves
  bool runs = false;               ///< a turn is in hand
  std::uint64_t turn = 0;          ///< its number
  std::uint64_t actor = 0;         ///< whose it is; 0: nobody's, as while one is being started
  time_point since{};              ///< when it began
  std::size_t resident_bytes = 0;  ///< now; 0: not known
  std::size_t inherited_bytes = 0; ///< what the process had before it did anything
};

/// When a worker that hosts several actors must be ended, and whose doing that is: a pure step of
/// what the host sees and the time. Nothing is ended before its time, whatever the order of calls;
/// once the verdict is to kill it stays. Not thread-safe.
class turn_watch {
public:
  using time_point = turn_facts::time_point;
  using nanoseconds = std::chrono::nanoseconds;

  struct limits {
    nanoseconds unresponsive_after{}; ///< without a beat; 0: no limit, as everywhere here
    nanoseconds turn{};               ///< one message of one actor
    std::size_t memory_bytes = 0;     ///< resident, beyond what was inherited
    nanoseconds age{};                ///< then it takes no more actors
    nanoseconds start{};              ///< until it is ready
  };

  turn_watch() = default;
  turn_watch(const limits& l, time_point born)
    : limits_(l), born_(born), start_by_(born + l.start) {}

  /// A limit of its own for the turns of one actor; 0: the general one again.
  void limit(std::uint64_t actor, nanoseconds turn);
  /// The actor is to end: where it has not by `at`, its worker is killed. False: that was known,
  /// and only an earlier time counts.
  bool condemn(std::uint64_t actor, time_point at);
  /// It has ended: neither condemned nor limited any more.
  void ended(std::uint64_t actor);

  struct verdict {
    exit_cause kill = exit_cause::none;        ///< none: it goes on
    std::string why;                           ///< for people, with numbers
    time_point look_again = time_point::max(); ///< when to look next
  };
  /// Looks at the facts of now. A look that comes much later than the last verdict asked for finds
  /// the host itself guilty: what passed meanwhile counts against nobody.
  verdict look(const turn_facts& facts, time_point now);

  /// Too old to take another actor.
  bool retired(time_point now) const noexcept {
    return limits_.age.count() != 0 && now - born_ >= limits_.age;
  }

  /// After the verdict: the cause, and whose doing the end is. Nobody's where it is the whole
  /// worker's: then the cause is everybody's.
  exit_cause ended_by() const noexcept { return ended_by_; }
  std::vector<std::uint64_t> culprits() const;

  std::size_t condemned() const noexcept { return condemned_.size(); }

private:
  void forgive(const turn_facts& facts, time_point now);
  verdict end(exit_cause why, std::uint64_t culprit, std::string text);
  nanoseconds limit_of(std::uint64_t actor) const noexcept;
  verdict check_condemned(time_point now);
  verdict check_turn(const turn_facts& facts, time_point now);
  verdict check_start(const turn_facts& facts, time_point now);
  verdict check_memory(const turn_facts& facts, time_point now);
  verdict check_beat(const turn_facts& facts, time_point now);

  limits limits_;
  time_point born_{};
  time_point start_by_{};
  std::map<std::uint64_t, nanoseconds> own_limits_;
  std::map<std::uint64_t, time_point> condemned_;
  time_point due_ = time_point::max(); ///< of the next look
  std::uint64_t turn_ = 0;             ///< the last that was seen
  nanoseconds forgiven_{};             ///< of that turn
  std::uint64_t beat_ = 0;
  time_point beat_since_{}; ///< {}: not looked at yet
  exit_cause ended_by_ = exit_cause::none;
  std::uint64_t culprit_ = 0; ///< 0: nobody, or those that are condemned
};

} // namespace bulkhead::runtime
