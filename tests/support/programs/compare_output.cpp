// compare_output [--status N] README.md PROGRAM [ARG]...
//
// Runs the program and compares what it prints on stdout with the first ```text block of the
// README. In that block <numbers> stands for digits, points and spaces, <text> for a rest of any
// kind, any other <name> for one number. Lines between "<in any order>" and "<end>" have no order
// (and no placeholders); the two marks are not printed. The program must end with status N, or 0.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <regex>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

namespace {

using lines = std::vector<std::string>;

[[noreturn]] void fail(const std::string& message) {
  std::cerr << "compare_output: " << message << '\n';
  std::exit(1);
}

lines expected_lines(const char* readme) {
  std::ifstream file{readme};
  lines block;
  std::string line;
  while (std::getline(file, line) && line != "```text") {
  }
  while (std::getline(file, line) && line != "```")
    block.push_back(line);
  if (block.empty())
    fail(readme + std::string{": there is no ```text block"});
  return block;
}

/// Runs the program; its stderr is ours.
lines output_of(char** command, int due) {
  int ends[2];
  if (pipe(ends) != 0)
    fail("no pipe");
  const auto pid = fork();
  if (pid == 0) {
    dup2(ends[1], STDOUT_FILENO);
    close(ends[0]);
    close(ends[1]);
    execv(command[0], command);
    std::perror(command[0]);
    _exit(127);
  }
  close(ends[1]);
  std::string all;
  char piece[4096];
  for (ssize_t n; (n = read(ends[0], piece, sizeof piece)) > 0;)
    all.append(piece, static_cast<std::size_t>(n));
  int status = 0;
  waitpid(pid, &status, 0);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != due)
    fail(all + command[0] + ": wait status " + std::to_string(status));
  lines result;
  std::istringstream text{all};
  for (std::string line; std::getline(text, line);)
    result.push_back(line);
  return result;
}

/// The regular expression that a line of the README stands for.
std::string pattern_of(std::string_view line) {
  std::string pattern;
  while (!line.empty()) {
    const auto close = line.front() == '<' ? line.find('>') : std::string_view::npos;
    if (close != std::string_view::npos) {
      const auto name = line.substr(1, close - 1);
      pattern += name == "text"      ? ".*"
                 : name == "numbers" ? "[0-9][0-9., ]*"
                                     : "[0-9]+([.][0-9]+)?";
      line.remove_prefix(close + 1);
      continue;
    }
    if (std::string_view{"^$\\.*+?()[]{}|"}.find(line.front()) != std::string_view::npos)
      pattern += '\\';
    pattern += line.front();
    line.remove_prefix(1);
  }
  return pattern;
}

bool same(const std::string& expected, const std::string& actual) {
  return expected == actual || std::regex_match(actual, std::regex{pattern_of(expected)});
}

/// Sorts the lines between the marks in `expected`, and those in their places in `actual`.
void sort_unordered(lines& expected, lines& actual) {
  for (auto mark = expected.begin();
       (mark = std::find(mark, expected.end(), "<in any order>")) != expected.end();) {
    const auto first = expected.erase(mark) - expected.begin();
    const auto end = std::find(expected.begin() + first, expected.end(), "<end>");
    const auto last = end - expected.begin();
    if (end != expected.end())
      expected.erase(end);
    const auto size = std::ssize(actual);
    std::sort(expected.begin() + first, expected.begin() + last);
    std::sort(actual.begin() + std::min(first, size), actual.begin() + std::min(last, size));
    mark = expected.begin() + last;
  }
}

} // namespace

int main(int argc, char** argv) {
  int due = 0;
  if (argc > 2 && argv[1] == std::string_view{"--status"}) {
    due = std::atoi(argv[2]);
    argv += 2;
    argc -= 2;
  }
  if (argc < 3)
    fail("usage: compare_output [--status N] README.md PROGRAM [ARG]...");
  auto expected = expected_lines(argv[1]);
  auto actual = output_of(argv + 2, due);
  sort_unordered(expected, actual);
  const std::string none = "(nothing)";
  for (std::size_t i = 0; i < std::max(expected.size(), actual.size()); ++i) {
    const auto& want = i < expected.size() ? expected[i] : none;
    const auto& got = i < actual.size() ? actual[i] : none;
    if (i >= expected.size() || i >= actual.size() || !same(want, got)) {
      std::cerr << "line " << i + 1 << " differs from " << argv[1] << "\n  expected: " << want
                << "\n  printed:  " << got << "\n\nthe whole output:\n";
      for (const auto& line : actual)
        std::cerr << line << '\n';
      return 1;
    }
  }
}
