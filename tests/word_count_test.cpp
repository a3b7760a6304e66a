// ctest-needs: bulkhead_cli
// ctest-needs: word_count
// ctest-timeout: 300
#include "tests/support/command.hpp"
#include "tests/support/temporary_folder.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

using bulkhead::testing::command;
using bulkhead::testing::temporary_folder;
using nlohmann::json;
using namespace std::string_view_literals;

namespace {

const std::string config = BULKHEAD_SOURCE_DIR "/config/word_count.json";

/// What a shell command prints.
std::string shell(const std::string& line) {
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe{
    ::popen(("export LC_ALL=C; " + line).c_str(), "r"), ::pclose};
  std::string text;
  char block[4096];
  while (const auto got = std::fread(block, 1, sizeof block, pipe.get()))
    text.append(block, got);
  return text;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);)
    lines.push_back(line);
  return lines;
}

/// The words of each line, one space between.
std::string squeezed(const std::string& text) {
  std::string out;
  for (const auto& line : lines_of(text)) {
    std::istringstream in(line);
    std::string words;
    for (std::string word; in >> word;)
      words += (words.empty() ? "" : " ") + word;
    out += words.empty() ? "" : words + '\n';
  }
  return out;
}

/// Files, totals and top words of `files`, a find expression, as coreutils see them.
std::string expected_report(const std::string& files) {
  const auto found = "find " + files + " -type f -not -path '*/.*' -print0";
  std::istringstream totals(shell(found + " | wc --files0-from=- | tail -n 1"));
  std::string lines;
  std::string words;
  std::string bytes;
  totals >> lines >> words >> bytes;
  // Each file ends its last word: grep adds the newline that some files do not end with.
  const auto counted =
    found + " | xargs -0 grep -ah '' | tr -cs A-Za-z '\\n' | tr A-Z a-z | grep . | sort | uniq -c";
  return squeezed(shell(found + " | tr -dc '\\0' | wc -c") + " files\n" + lines + " lines\n" + words
                  + " words\n" + bytes + " bytes\n" + shell(counted + " | wc -l")
                  + " different words\n" + shell(counted + " | sort -k1,1nr -k2,2 | head -10"));
}

/// Joins "number newline what" as the shell leaves it.
std::string joined(std::string text) {
  for (const auto* what : {"files", "different words"})
    if (const auto at = text.find(std::string("\n") + what); at != std::string::npos)
      text[at] = ' ';
  return text;
}

std::string counted_report(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), {"run", config, "--json"});
  command c(arguments);
  const auto status = c.wait();
  INFO(c.err());
  CHECK(status == 0);
  return squeezed(json::parse(c.out())["result"].get<std::string>());
}

std::string glob_setting(const std::string& pattern) { return "input.glob=" + pattern; }

} // namespace

TEST_CASE("counts of small files agree with coreutils") {
  const temporary_folder folder;
  folder.write("empty", "");
  folder.write("no_newline", "one Two two");
  folder.write("white", " \t\v\f\r\n a\tb\vc\fd\re ");
  folder.write("bytes", "x\0y \x01\x02 \xc3\xa4 \xff z\n"sv);
  folder.write("the", "The the THE\ntheThe");
  const auto files = folder.path().string();
  CHECK(counted_report({"--set", glob_setting(files + "/*")}) == joined(expected_report(files)));
}

TEST_CASE("counts of each licence agree with wc") {
  const temporary_folder folder;
  const auto out = folder.path() / "out.jsonl";
  command c({"run", config, "--no-progress", "--set", "task=word_count.wc", "--set", "reduce=null",
             "--set", glob_setting("/usr/share/common-licenses/*"), "--set",
             "output=" + out.string()});
  CHECK(c.wait() == 0);
  std::string counted;
  std::ifstream in(out);
  for (std::string line; std::getline(in, line);)
    counted += json::parse(line)["result"].get<std::string>() + '\n';
  CHECK_FALSE(counted.empty());
  CHECK(counted
        == squeezed(shell("find /usr/share/common-licenses -type f | sort | xargs -n1 wc")));
}

TEST_CASE("the default job agrees with coreutils on all licences and headers") {
  CHECK(counted_report({}) == joined(expected_report("/usr/share/common-licenses /usr/include")));
}
