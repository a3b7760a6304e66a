#pragma once

#include "tests/support/history.hpp"

#include <bulkhead/actor.hpp>

#include <caf/actor_config.hpp>
#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/mailbox_element.hpp>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

namespace bulkhead::tests {

/// A CAF system of the user's that pools may live in.
struct user_system {
  user_system() {
    configure(config);
    config.set("scheduler.max-threads", 2);
    config.set("scheduler.policy", caf::atom("sharing"));
    system = std::make_unique<caf::actor_system>(config);
  }
  caf::actor_system_config config;
  std::unique_ptr<caf::actor_system> system;
};

/// What asking_actors saw; shared by them and their test.
struct asked {
  explicit asked(history& h) : told(h) {}
  history& told;
  std::atomic<std::uint64_t> responses = 0; ///< that reached a mailbox, also those CAF drops
  std::atomic<std::uint64_t> outcomes = 0;
  std::atomic<std::uint64_t> wrong = 0; ///< another's answer, or an error without a failure
  std::atomic<int> downs = 0;
  std::atomic<int> exits = 0;
};

/// Asks whoever answers a number with the same number, and writes down each outcome. CAF drops a
/// second answer to one request silently; this actor counts what reaches its mailbox.
///     (put_atom, whom, first, last): asks first..last-1 at once
///     (get_atom, whom, first, last): one after the other
class asking_actor : public caf::event_based_actor {
public:
  /// With a task, the question is (task, number).
  asking_actor(caf::actor_config& config, std::shared_ptr<asked> seen, std::string task = {})
    : event_based_actor(config), seen_(std::move(seen)), task_(std::move(task)) {}

  void enqueue(caf::mailbox_element_ptr what, caf::execution_unit* context) override {
    if (what->mid.is_response())
      ++seen_->responses;
    event_based_actor::enqueue(std::move(what), context);
  }

  caf::behavior make_behavior() override {
    set_down_handler([seen = seen_](const caf::down_msg&) { ++seen->downs; });
    set_exit_handler([seen = seen_](const caf::exit_msg&) { ++seen->exits; });
    return {
      [this](caf::put_atom, const caf::actor& whom, std::int32_t first, std::int32_t last) {
        for (auto n = first; n < last; ++n)
          ask(whom, n, n + 1);
      },
      [this](caf::get_atom, const caf::actor& whom, std::int32_t first, std::int32_t last) {
        ask(whom, first, last);
      },
      [this](caf::monitor_atom, const caf::actor& whom) { monitor(whom); },
      [this](caf::link_atom, const caf::actor& whom) { link_to(whom); },
      [this](caf::close_atom) { quit(); },
    };
  }

private:
  void ask(const caf::actor& whom, std::int32_t n, std::int32_t last) {
    if (task_.empty())
      await_answer(request(whom, caf::infinite, n), whom, n, last);
    else
      await_answer(request(whom, caf::infinite, task_, n), whom, n, last);
  }

  template <class Answer>
  void await_answer(Answer answer, const caf::actor& whom, std::int32_t n, std::int32_t last) {
    const auto go_on = [this, whom, n, last] {
      ++seen_->outcomes;
      if (n + 1 < last)
        ask(whom, n + 1, last);
    };
    answer.then(
      [this, n, go_on](std::int32_t same) {
        seen_->wrong += same != n;
        seen_->told.ended_with_value(static_cast<std::size_t>(n));
        go_on();
      },
      [this, n, go_on](const caf::error& e) {
        const auto f = failure_of(e);
        seen_->wrong += !f;
        seen_->told.failed(static_cast<std::size_t>(n), f.value_or(failure{}));
        go_on();
      });
  }

  const std::shared_ptr<asked> seen_;
  const std::string task_;
};

} // namespace bulkhead::tests
