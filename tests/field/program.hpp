#pragma once

#include <string>
#include <vector>

namespace bulkhead::field {

/// A small program that showed a fault once. Each runs in a process of its own, since what it does
/// to its host may last.
struct program {
  const char* name;     ///< a claim
  const char* expected; ///< what must be seen: all of standard output, "; " between the lines
  std::string (*run)(); ///< its last line
  /// Words for tests/field/run: "long" leaves it out of the short form, "root" needs that user,
  /// "open" shows a fault that docs/field.md calls open, NAME=VALUE goes into its environment.
  const char* notes = "";
};

/// All programs of this executable.
std::vector<program>& programs();

/// What main was given after the program's name.
std::vector<std::string>& arguments();

struct registered {
  explicit registered(const program& p) { programs().push_back(p); }
};

} // namespace bulkhead::field

/// Defines a program: FIELD_PROGRAM(name, expected, notes) { ...; return what_was_seen; }
#define FIELD_PROGRAM(name, expected, notes)                                                       \
  static std::string name();                                                                       \
  static const bulkhead::field::registered name##_program{{#name, expected, &name, notes}};        \
  static std::string name()
