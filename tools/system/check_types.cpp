#include "tools/config/task_call.hpp"
#include "tools/system/check_system.hpp"
#include "tools/system/message_json.hpp"
#include "tools/text/nearest.hpp"

#include "runtime/pool/pool_checks.hpp"

#include <bulkhead/detail/task_entry.hpp>
#include <bulkhead/error.hpp>

#include <algorithm>
#include <optional>

#include <fmt/format.h>

namespace bulkhead::systems {

namespace {

using detail::task_entry;

class type_checks {
public:
  type_checks(const complaints& to, const system_plan& plan)
    : to_(to), plan_(plan), find_([this](const std::string& name) { return look_up(name); }) {}

  void check() {
    for (const auto& each : plan_.actors)
      if (!each.behavior.empty())
        behavior(each);
    for (const auto& each : plan_.script)
      step(each);
    for (const auto& each : plan_.schedule)
      step(each.step);
  }

private:
  caf::actor look_up(const std::string& name) const {
    if (plan_.actor(name) == nullptr)
      throw config_error("expected the name of an actor, got \"" + name + '"');
    return {};
  }

  void behavior(const actor_plan& a) const {
    const auto* known = interface_of(a);
    if (known == nullptr) {
      const auto all = detail::all_behaviors();
      auto hint = config::did_you_mean(a.behavior, all);
      return to_.add(a.at / "behavior", "which no library has registered with BULKHEAD_ACTOR",
                     all.empty() ? "a behaviour of a library" : "one of " + config::listed(all),
                     hint.empty() ? "write its library into \"load\"" : hint);
    }
    const auto where = to_.written(a.at / "args") ? a.at / "args" : a.at / "behavior";
    if (const auto why = misfit(a.args, &known->arguments); !why.empty())
      to_.add(where, "which does not fit its start: " + why, words_of(known->arguments),
              "write \"args\" as the behaviour takes them");
    const auto& takes = known->arguments;
    if (a.state_limit != 0 && (takes.empty() || *takes.back().type != typeid(std::string)))
      to_.add(a.at / "state_limit", "but the behaviour takes no text as its last argument",
              "a behaviour that begins with its last snapshot", "remove \"state_limit\"");
  }

  const behavior_interface* interface_of(const actor_plan& a) const {
    try {
      return &detail::interface_of_behavior(a.behavior);
    } catch (const config_error&) {
      return nullptr;
    }
  }

  /// Why the values are no message; empty: they are one.
  std::string misfit(const std::vector<json>& values,
                     const std::vector<behavior_interface::element>* types) const {
    try {
      to_message(values, types, find_);
      return {};
    } catch (const config_error& e) {
      return e.what();
    }
  }

  void step(const step_plan& s) const {
    const auto at = s.at / "message";
    if (s.kind == step_kind::none || !to_.written(at) || !to_.from().root.at(at).is_array())
      return;
    const auto values = s.message.get<std::vector<json>>();
    const auto* who = plan_.actor(s.target);
    if (s.kind != step_kind::publish && who != nullptr && who->tasks)
      return task(s, values);
    const auto* known = who != nullptr && !who->behavior.empty() ? interface_of(*who) : nullptr;
    if (s.kind != step_kind::publish && known != nullptr && !known->calls.empty())
      return call(s, values, *known);
    if (const auto why = misfit(values, nullptr); !why.empty())
      to_.add(s.at / "message", "which is no message: " + why, "values whose types show",
              "name the type: {\"int64\": 1}");
  }

  /// A typed behaviour says what it takes, and what it answers.
  void call(const step_plan& s, const std::vector<json>& values,
            const behavior_interface& known) const {
    std::string takes;
    for (const auto& each : known.calls) {
      if (misfit(values, &each.takes).empty())
        return answer(s, each.gives);
      takes += (takes.empty() ? "" : " or ") + words_of(each.takes);
    }
    to_.add(s.at / "message", fmt::format("which \"{}\" does not take", s.target), takes,
            "write one of these messages");
  }

  void answer(const step_plan& s, const std::vector<behavior_interface::element>& gives) const {
    if (!s.expect.is_array() || !std::all_of(gives.begin(), gives.end(), [](const auto& each) {
          return is_known(each);
        }))
      return;
    if (const auto why = misfit(s.expect.get<std::vector<json>>(), &gives); !why.empty())
      to_.add(s.at / "expect", "which is never answered: " + why, words_of(gives),
              "write a value of these types");
  }

  void task(const step_plan& s, const std::vector<json>& values) const {
    const auto at = s.at / "message";
    const bool named = !values.empty() && values[0].is_string();
    const task_entry* entry = named ? find(values[0].get<std::string>()) : nullptr;
    if (entry == nullptr) {
      std::vector<std::string> known;
      for (const auto* each : detail::all_tasks())
        known.emplace_back(each->name);
      auto hint = named ? config::did_you_mean(values[0].get<std::string>(), known) : "";
      return to_.add(at, "which begins with no task", "a task's name and its arguments",
                     hint.empty() ? "run \"bulkhead list --load LIBRARY\" to see the names" : hint);
    }
    std::vector<behavior_interface::element> takes{{&typeid(std::string)}};
    for (const auto* type : entry->arguments)
      takes.push_back({type});
    if (const auto why = misfit(values, &takes); !why.empty())
      to_.add(at, "which does not fit the task: " + why,
              fmt::format("{} {}", entry->name, config::signature_text(*entry)),
              "write the arguments behind the task's name");
  }

  static const task_entry* find(const std::string& name) {
    try {
      return detail::find_task(name);
    } catch (const config_error&) {
      return nullptr;
    }
  }

  const complaints& to_;
  const system_plan& plan_;
  const actor_lookup find_;
};

} // namespace

void check_types(const complaints& to, const system_plan& plan) { type_checks{to, plan}.check(); }

void check_pools(const complaints& to, const system_plan& plan) {
  const auto look = [&](const pool_options& options, const pointer& at) {
    if (options.start != start_method::forkserver && options.start != start_method::spawn) {
      to.add(at / "start", "but actors live in worker processes of their own",
             "forkserver or spawn", "remove \"start\"");
      return;
    }
    try {
      runtime::checked(options);
    } catch (const config_error& e) {
      to.add(at, std::string("which no pool takes: ") + e.what(), "options of a pool",
             "see config/reference.jsonc");
    }
  };
  look(plan.pool, pointer("/pool"));
  for (std::size_t i = 0; i < plan.pools.size(); ++i)
    look(plan.pools[i], pointer("/system/pools") / i);
}

} // namespace bulkhead::systems
