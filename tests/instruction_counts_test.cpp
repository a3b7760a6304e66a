// ctest-timeout: 300
// ctest-label: once
// How many instructions the hot paths take, which callgrind counts the same on every machine.
#include "tests/support/temporary_folder.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>

namespace {

/// Of 1000 turns as CMake's preset dev compiles them with GCC 12. Where a change makes them less,
/// write the new figure here; where it makes them more, it says why.
const std::map<std::string, double> thousands{
  {"ring", 208}, {"codec", 2755}, {"ledger", 10}, {"submit", 2444}, {"submit alone", 2262}};
constexpr double most_growth = 1.1;

/// What the first thread of the program did between two marks, by the second mark's name.
std::map<std::string, double> counted(const std::filesystem::path& folder) {
  std::map<std::string, double> found;
  const std::string mark = "desc: Trigger: Client Request: ";
  const std::string sum = "summary: ";
  for (const auto& file : std::filesystem::directory_iterator(folder)) {
    if (!file.path().filename().string().ends_with("-01"))
      continue;
    std::ifstream lines(file.path());
    std::string name;
    for (std::string line; std::getline(lines, line);)
      if (line.starts_with(mark))
        name = line.substr(mark.size());
      else if (line.starts_with(sum) && !name.empty())
        found[name] = std::stod(line.substr(sum.size())) / 1000;
  }
  return found;
}

} // namespace

TEST_CASE("the hot paths take no more instructions than they did") {
#if defined(__clang__) || defined(NDEBUG) || __GNUC__ != 12
  MESSAGE("skipped: the figures are those of GCC 12 without NDEBUG");
#else
  if (std::system("valgrind --version > /dev/null 2>&1") != 0) {
    MESSAGE("skipped: valgrind is not installed");
    return;
  }
  const bulkhead::testing::temporary_folder folder;
  const auto command = "valgrind --tool=callgrind --separate-threads=yes --callgrind-out-file='"
                       + (folder.path() / "%p").string() + "' '" BULKHEAD_TEST_PROGRAM_DIR
                       + "/counted_paths' > '" + (folder.path() / "log").string() + "' 2>&1";
  REQUIRE(std::system(command.c_str()) == 0);
  const auto found = counted(folder.path());
  REQUIRE(found.size() == thousands.size());
  for (const auto& [path, before] : thousands) {
    CAPTURE(path);
    REQUIRE(found.contains(path));
    CAPTURE(found.at(path));
    CHECK(found.at(path) <= most_growth * before);
  }
#endif
}
