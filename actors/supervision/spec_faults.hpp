#pragma once

#include "actors/supervision/supervision.hpp"

#include <string>
#include <vector>

namespace bulkhead::actors {

/// What is wrong with the options and the children of a supervisor, all at once, each with place,
/// value and what is allowed, a line each; empty where nothing is.
std::string faults_of(const supervisor_options& options, const std::vector<child_rule>& children);

/// The same for a child that is added at run time.
std::string faults_of(const supervisor_options& options, const child_rule& child);

} // namespace bulkhead::actors
