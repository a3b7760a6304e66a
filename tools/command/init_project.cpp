#include "tools/command/commands.hpp"
#include "tools/command/skeleton.hpp"
#include "tools/console/print_problems.hpp"
#include "tools/console/write_out.hpp"
#include "tools/text/shown.hpp"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <optional>
#include <span>
#include <string>
#include <system_error>

#include <fmt/format.h>

namespace bulkhead::command {

namespace fs = std::filesystem;

namespace {

bool is_letter(char c) noexcept { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

/// What CMake and C++ take for a name; empty where the folder's name gives none.
std::string name_for(const fs::path& folder) {
  auto name = folder.lexically_normal().filename().string();
  if (name.empty()) // a slash at the end
    name = folder.lexically_normal().parent_path().filename().string();
  for (auto& c : name) {
    const bool digit = c >= '0' && c <= '9';
    if (c == '-' || c == '.' || c == ' ')
      c = '_';
    else if (!is_letter(c) && !digit && c != '_')
      return {};
  }
  return !name.empty() && is_letter(name[0]) ? name : std::string();
}

std::string filled_in(std::string_view text, std::string_view name) {
  constexpr std::string_view place = "@NAME@";
  std::string filled;
  for (std::size_t at = 0; (at = text.find(place)) != std::string_view::npos;) {
    filled.append(text.substr(0, at)).append(name);
    text.remove_prefix(at + place.size());
  }
  return filled.append(text);
}

/// Why there can be no project, and what to do; nothing where there can.
std::optional<config::problem> objection(const fs::path& folder) {
  std::error_code error;
  const config::place here{folder.string()};
  if (name_for(folder).empty())
    return config::problem{
      here, fmt::format("{} gives a project no name", config::shown(folder.filename().string())),
      "a folder whose name begins with a letter, of letters, digits, -, _ and .",
      "choose another name"};
  if (fs::exists(folder, error) && !fs::is_directory(folder, error))
    return config::problem{here, "it is no folder", "a folder that is empty or not there yet",
                           "choose another name"};
  if (fs::exists(folder, error) && !fs::is_empty(folder, error))
    return config::problem{here, "the folder is not empty",
                           "a folder that is empty or not there yet", "choose another name"};
  return std::nullopt;
}

} // namespace

int init_project(const call& wanted) {
  const fs::path folder = fs::absolute(wanted.folder);
  config::problems found;
  if (const auto wrong = objection(folder)) {
    found.add(wrong->where, wrong->what, wrong->expected, wrong->remedy);
    return print_problems(found, false);
  }
  const auto name = name_for(folder);
  std::error_code error;
  fs::create_directories(folder, error);
  for (const auto& file : std::span(skeleton_files, skeleton_file_count)) {
    std::ofstream out(folder / file.path, std::ios::binary);
    out << filled_in(file.text, name) << std::flush;
    if (out)
      continue;
    found.add(config::place{(folder / file.path).string()},
              fmt::format("it cannot be written: {}", std::strerror(errno)), "a folder with room",
              "check the rights of the folder and the room on its disk");
    return print_problems(found, false);
  }
  const auto shown = config::printable(wanted.folder);
  return print(fmt::format("made {}: tasks, a job and a test. Now:\n"
                           "  cd {}\n"
                           "  cmake -B build && cmake --build build\n"
                           "  ctest --test-dir build\n"
                           "  bulkhead run job.json\n",
                           shown, shown))
           ? 0
           : 1;
}

} // namespace bulkhead::command
