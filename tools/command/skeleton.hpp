#pragma once

#include <cstddef>
#include <iterator>
#include <string_view>

namespace bulkhead::command {

/// A file of a new project; @NAME@ stands for the project's name.
struct skeleton_file {
  std::string_view path;
  std::string_view text;
};

/// The texts of tools/skeleton; their source file is made by CMake.
extern const skeleton_file skeleton_files[];
extern const std::size_t skeleton_file_count;

} // namespace bulkhead::command
