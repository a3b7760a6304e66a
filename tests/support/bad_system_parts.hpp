#pragma once

#include "tests/support/bad_systems.hpp"

#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

namespace bulkhead::testing {

using members = std::initializer_list<std::pair<const char*, const char*>>;

/// A system that is good, with some of its members replaced; `beside` stands before "system".
std::string system_with(members changed, const std::string& beside = {});

/// One part of bad_systems().
std::vector<bad_system> bad_system_steps();

} // namespace bulkhead::testing
