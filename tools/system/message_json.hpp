#pragma once

#include "tools/system/system_plan.hpp"

#include <bulkhead/actors/behavior_interface.hpp>

#include <caf/actor.hpp>
#include <caf/fwd.hpp>
#include <caf/message.hpp>

#include <functional>
#include <string>
#include <vector>

namespace bulkhead::systems {

using detail::behavior_interface;

// Messages in a file are lists. A text is std::string, true and false are bool, a whole number is
// int32 or, where it is too large, int64, another number double, a list std::vector of one of them.
// {"int64": 1} says another type, {"atom": "get"} an atom of CAF, {"actor": "till"} a handle. Where
// the types are known (arguments, typed behaviours, tasks) a value takes the type that is due.

/// The actor of that name. Throws config_error for a name that nobody has.
using actor_lookup = std::function<caf::actor(const std::string& name)>;

/// Throws config_error: "element 2: expected ..., got ...". `types` may be null: not known.
caf::message to_message(const std::vector<json>& values,
                        const std::vector<behavior_interface::element>* types,
                        const actor_lookup& find);

/// The message in the types that an actor of the plan takes, where they are known. Null: any actor.
caf::message message_for(const actor_plan* whom, const std::vector<json>& values,
                         const actor_lookup& find);

/// Whether an answer is what a file expects: the values, whatever their types.
bool is_as_expected(const json& expected, const json& answer);

/// What a message holds, a list; "<type>" for what a file cannot hold.
json to_json(const caf::message& message);

/// "(text, int32)"
std::string words_of(const std::vector<behavior_interface::element>& types);

/// Whether a file can hold values of the type.
bool is_known(const behavior_interface::element& type);

} // namespace bulkhead::systems
