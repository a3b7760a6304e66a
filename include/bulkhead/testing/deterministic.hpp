#pragma once

#include <caf/actor.hpp>
#include <caf/actor_cast.hpp>
#include <caf/actor_system.hpp>
#include <caf/message.hpp>

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace bulkhead::testing {

class expectation_failed : public std::logic_error {
public:
  using std::logic_error::logic_error;
};

/// Actors in the test's own thread: nothing runs unless the test says so, one message at a time,
/// and time stands still until the test moves it. No sleeping, no races, the same run each time.
/// The behaviours are those that run in workers; here they run without a process.
class deterministic {
public:
  deterministic();
  /// Ends all actors.
  ~deterministic();
  deterministic(const deterministic&) = delete;
  deterministic& operator=(const deterministic&) = delete;

  caf::actor_system& system() noexcept;

  /// As CAF's spawn; the actor has run once when this returns.
  template <class F, class... Args>
  caf::actor spawn(F behavior, Args&&... args) {
    auto actor = caf::actor_cast<caf::actor>(system().spawn(behavior, std::forward<Args>(args)...));
    adopt(actor);
    return actor;
  }

  /// Runs until nobody has anything to do; returns the number of messages processed.
  std::size_t run();
  /// Runs one message; false where there is none.
  bool run_one();
  /// Lets time pass; returns the number of timers that fired. Their messages wait to be run.
  std::size_t advance(std::chrono::nanoseconds time);

  /// The next message of an actor, not taken out.
  struct waiting {
    caf::strong_actor_ptr sender;
    caf::message content;
  };
  std::optional<waiting> next_for(const caf::actor& to);

  /// The next message for `to` has exactly these values: it is processed now. Throws
  /// expectation_failed that shows what is there.
  template <class... Ts>
  void expect(const caf::actor& to, const Ts&... values) {
    auto next = next_for(to);
    if (!next)
      fail("no message waits for the actor; expected", caf::make_message(values...));
    if (!same(next->content, values...))
      fail("the actor's next message is " + text(next->content) + "; expected",
           caf::make_message(values...));
    run_next_of(to);
  }
  /// Processes the actor's next message if it is this one.
  template <class... Ts>
  bool allow(const caf::actor& to, const Ts&... values) {
    auto next = next_for(to);
    if (!next || !same(next->content, values...))
      return false;
    run_next_of(to);
    return true;
  }
  template <class... Ts>
  void disallow(const caf::actor& to, const Ts&... values) {
    auto next = next_for(to);
    if (next && same(next->content, values...))
      fail("the actor must not get", next->content);
  }

private:
  template <class... Ts>
  static bool same(const caf::message& msg, const Ts&... values) {
    if constexpr (sizeof...(Ts) == 0)
      return msg.empty();
    else
      return msg.match_elements<Ts...>() && equal(msg, std::index_sequence_for<Ts...>{}, values...);
  }
  template <std::size_t... I, class... Ts>
  static bool equal(const caf::message& msg, std::index_sequence<I...>, const Ts&... values) {
    return ((msg.get_as<Ts>(I) == values) && ...);
  }
  static std::string text(const caf::message& msg);
  [[noreturn]] static void fail(const std::string& what, const caf::message& msg);
  void adopt(const caf::actor& actor);
  void run_next_of(const caf::actor& to);

  struct world;
  std::unique_ptr<world> world_;
};

/// An actor that only takes note: what it got, in order. It answers requests with nothing.
class probe {
public:
  explicit probe(deterministic& world);

  const caf::actor& actor() const noexcept { return actor_; }
  const std::vector<caf::message>& received() const noexcept { return *received_; }
  /// How many messages were exactly this one.
  template <class... Ts>
  std::size_t count(const Ts&... values) const {
    std::size_t result = 0;
    for (const auto& msg : *received_)
      result += matches(msg, values...);
    return result;
  }

private:
  template <class... Ts>
  static bool matches(const caf::message& msg, const Ts&... values) {
    return msg.match_elements<Ts...>() && [&]<std::size_t... I>(std::index_sequence<I...>) {
      return ((msg.get_as<Ts>(I) == values) && ...);
    }(std::index_sequence_for<Ts...>{});
  }
  std::shared_ptr<std::vector<caf::message>> received_;
  caf::actor actor_;
};

} // namespace bulkhead::testing
