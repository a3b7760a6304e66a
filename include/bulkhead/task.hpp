#pragma once

#include <bulkhead/detail/task_bridge.hpp>

#define BULKHEAD_DETAIL_JOIN_2(a, b) a##b
#define BULKHEAD_DETAIL_JOIN(a, b) BULKHEAD_DETAIL_JOIN_2(a, b)

/// Gives a function a name by which configuration files and actors call it. At
/// namespace scope, in a program or a task library:
///
///     int word_count(const std::filesystem::path& file);
///     BULKHEAD_TASK("word_count", word_count)
///     BULKHEAD_TASK("twice", [](int x) { return 2 * x; })
///
/// Parameters and result are types that can travel (the guide lists them); of an overloaded
/// function, name the one: static_cast<int (*)(int)>(f). A name belongs to one task in a program.
#define BULKHEAD_TASK(name, ...)                                                                   \
  static const ::bulkhead::detail::task_registration BULKHEAD_DETAIL_JOIN(                         \
    bulkhead_task_, __COUNTER__){name, __VA_ARGS__, __FILE__, __LINE__};
