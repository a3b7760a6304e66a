#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;

const fs::path root = BULKHEAD_SOURCE_DIR;

using lines = std::vector<std::string>;

lines lines_of(const fs::path& file) {
  std::ifstream in{file};
  REQUIRE_MESSAGE(in.good(), file.string());
  lines all;
  for (std::string line; std::getline(in, line);)
    all.push_back(line);
  return all;
}

/// The lines without the indentation that they have in common.
std::string without_indentation(const lines& block) {
  auto indentation = std::string::npos;
  for (const auto& line : block)
    if (const auto first = line.find_first_not_of(' '); first != std::string::npos)
      indentation = std::min(indentation, first);
  std::string text;
  for (const auto& line : block)
    text += (line.size() > indentation ? line.substr(indentation) : "") + '\n';
  return text;
}

/// What stands between the lines that trim to `open` and `close`.
std::vector<std::string> blocks(const fs::path& file, const std::string& open,
                                const std::string& close) {
  std::vector<std::string> all;
  lines block;
  bool inside = false;
  for (const auto& line : lines_of(file)) {
    const auto first = std::min(line.find_first_not_of(' '), line.size());
    const auto trimmed = line.substr(first);
    if (!inside && trimmed == open) {
      inside = true;
      block.clear();
    } else if (inside && trimmed == close) {
      inside = false;
      all.push_back(without_indentation(block));
    } else if (inside) {
      block.push_back(line);
    }
  }
  return all;
}

/// Programs' marked pieces, and whole configuration files.
std::set<std::string> tested_snippets() {
  std::set<std::string> all;
  for (const auto& entry : fs::directory_iterator{root / "examples/guide"})
    if (entry.path().extension() == ".cpp")
      for (auto& snippet : blocks(entry.path(), "//[", "//]"))
        all.insert(std::move(snippet));
    else if (entry.path().extension() == ".json")
      all.insert(without_indentation(lines_of(entry.path())));
  return all;
}

std::vector<std::string> shown_snippets() {
  std::vector<std::string> all;
  for (const auto* document : {"README.md", "docs/guide.md", "docs/from-python.md"})
    for (const auto* language : {"```cpp", "```jsonc"})
      for (auto& snippet : blocks(root / document, language, "```"))
        all.push_back(std::move(snippet));
  return all;
}

} // namespace

TEST_CASE("every snippet of the documents is part of a program that is compiled") {
  const auto tested = tested_snippets();
  REQUIRE(!tested.empty());
  for (const auto& snippet : shown_snippets()) {
    CAPTURE(snippet);
    CHECK(tested.contains(snippet));
  }
}

TEST_CASE("every snippet of the tested programs is shown") {
  const auto shown = shown_snippets();
  for (const auto& snippet : tested_snippets()) {
    CAPTURE(snippet);
    CHECK(std::find(shown.begin(), shown.end(), snippet) != shown.end());
  }
}

TEST_CASE("each step that the design tells is where it says") {
  int steps = 0;
  for (const auto& line : lines_of(root / "docs/design.md")) {
    const auto open = line.find(". `");
    const auto close = line.find("`: ");
    if (open == std::string::npos || close == std::string::npos || open > 2)
      continue;
    const auto file = line.substr(open + 3, close - open - 3);
    CAPTURE(line);
    REQUIRE(fs::exists(root / file));
    std::ostringstream text;
    text << std::ifstream{root / file}.rdbuf();
    const auto name = line.find('`', close + 1);
    REQUIRE(name != std::string::npos);
    const auto function = line.substr(name + 1, line.find('`', name + 1) - name - 1);
    CHECK(text.str().find(function + '(') != std::string::npos);
    ++steps;
  }
  CHECK(steps > 15);
}

TEST_CASE("every example stands in the table of examples") {
  std::ostringstream text;
  text << std::ifstream{root / "examples/README.md"}.rdbuf();
  for (const auto& entry : fs::directory_iterator{root / "examples"}) {
    if (!fs::exists(entry.path() / "README.md"))
      continue;
    CAPTURE(entry.path().string());
    CHECK(text.str().find("](" + entry.path().filename().string() + '/') != std::string::npos);
  }
}
