#pragma once

#include <bulkhead/detail/buffer.hpp>
#include <bulkhead/detail/function_ref.hpp>
#include <bulkhead/detail/ship.hpp>
#include <bulkhead/detail/value.hpp>

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <typeinfo>
#include <vector>

namespace bulkhead::detail {

/// A task that can be called by its name. Made by BULKHEAD_TASK; lives as long as its module.
struct task_entry {
  std::string_view name;
  const void* function; ///< the code itself; travels as a function_ref
  const char* file;     ///< where it was registered
  int line;

  stub_fn stub;                                     ///< takes the function as its callable
  std::span<const std::type_info* const> arguments; ///< as they travel: std::string, not char*
  const std::type_info* result;                     ///< typeid(void) where there is none

  /// Arguments from configuration values, encoded for the stub. Throws config_error that names
  /// the argument and the type it expects, also where the number of arguments is wrong.
  void (*encode_values)(buffer& out, std::span<const value> values);
  /// Arguments from objects of exactly the types in `arguments`, borrowed.
  void (*encode_objects)(buffer& out, std::span<const void* const> objects);
  /// The result for a report; "<N bytes>" for what no report can hold. Throws codec_error.
  value (*result_to_value)(std::span<const std::byte> result);
  /// Decodes the result and hands it to `receive`, which may move from it; null for void. Throws
  /// codec_error.
  void (*receive_result)(std::span<const std::byte> result,
                         void (*receive)(void* context, void* result), void* context);

  /// The callable's bytes for the stub.
  void encode_callable(buffer& out) const { coder<function_ref>::write(out, to_ref(function)); }

  /// "file:line"
  std::string place() const;
  /// "int count(std::string, double)"
  std::string signature() const;
};

/// Both run at static initialisation and at unload; a name may be there twice until it is looked
/// up. `entry` is borrowed until it is removed. Thread-safe.
void add_task(const task_entry& entry);
void remove_task(const task_entry& entry) noexcept;

/// The task of that name; null where there is none. Throws config_error naming both places where
/// the name is registered twice. Valid while its library is loaded. Thread-safe.
const task_entry* find_task(std::string_view name);

/// As find_task; throws config_error with the nearest known names where there is none.
const task_entry& expect_task(std::string_view name);

/// Sorted by name. Throws config_error where a name is registered twice. Thread-safe.
std::vector<const task_entry*> all_tasks();

/// Known names that are probably meant by `name`, best first, at most three.
std::vector<std::string> nearest_tasks(std::string_view name);

} // namespace bulkhead::detail
