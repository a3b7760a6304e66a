// ctest-link: bulkhead_config
// ctest-needs: bulkhead_cli
#include "tests/support/command.hpp"
#include "tools/config/load_job.hpp"
#include "tools/config/schema.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iterator>
#include <regex>
#include <set>
#include <sstream>
#include <string>

using bulkhead::config::json;
using bulkhead::config::pointer;
using bulkhead::testing::command;

namespace {

std::string text_of(const char* name) {
  std::ifstream in(std::string(BULKHEAD_SOURCE_DIR "/") + name, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// The paths that a job may have, as --set takes them; objects are left out for what is in them.
std::set<std::string> accepted_paths() {
  std::set<std::string> paths;
  const std::function<void(const pointer&)> visit = [&](const pointer& at) {
    const auto part = bulkhead::config::schema_of(at);
    for (const auto& [key, below] : part["properties"].items())
      if (bulkhead::config::schema_of(at / key).contains("properties"))
        visit(at / key);
      else if (key != "$schema")
        paths.insert(bulkhead::config::path_text(at / key));
  };
  visit(pointer{});
  return paths;
}

/// What the completion offers behind --set.
std::set<std::string> completed_paths() {
  const auto script = text_of("tools/completion/bulkhead");
  const auto from = script.find("local keys='") + 12;
  std::istringstream words(script.substr(from, script.find('\'', from) - from));
  std::set<std::string> paths;
  for (std::string word; words >> word;) {
    CHECK(word.ends_with('='));
    paths.insert(word.substr(0, word.size() - 1));
  }
  return paths;
}

/// The long options that the command's own help of a subcommand names.
std::set<std::string> options_of(const char* subcommand) {
  command help({subcommand, "--help"});
  REQUIRE(help.wait() == 0);
  static const std::regex option("--[a-z][a-z-]*");
  const auto text = help.out().substr(0, help.out().find("Examples:")); // of all subcommands
  std::set<std::string> options;
  for (std::sregex_iterator it(text.begin(), text.end(), option), end; it != end; ++it)
    options.insert(it->str());
  return options;
}

/// The words that a shell program prints; empty where there is no such shell.
std::set<std::string> words_of(const std::string& shell, const std::string& program) {
  const auto quoted = "'" + std::regex_replace(program, std::regex("'"), "'\\''") + "'";
  auto* pipe = ::popen((shell + " -c " + quoted).c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::string text;
  char block[4096];
  for (std::size_t got = 0; (got = std::fread(block, 1, sizeof block, pipe)) > 0;)
    text.append(block, got);
  CHECK(::pclose(pipe) == 0);
  std::istringstream lines(text);
  return {std::istream_iterator<std::string>(lines), {}};
}

bool is_there(const std::string& shell) {
  return std::system(("command -v " + shell + " > /dev/null").c_str()) == 0;
}

/// What bash completes for these words.
std::set<std::string> bash_completes(const std::string& words) {
  return words_of("bash --norc", "source '" BULKHEAD_SOURCE_DIR
                                 "/tools/completion/bulkhead'; compopt() { :; };"
                                 " COMP_WORDS=("
                                   + words
                                   + "); COMP_CWORD=$((${#COMP_WORDS[@]} - 1));"
                                     " _bulkhead; printf '%s\\n' \"${COMPREPLY[@]}\"");
}

/// What zsh is offered for them.
std::set<std::string> zsh_completes(const std::string& words) {
  return words_of("zsh -f", "compdef() { :; }; compadd() { while [[ $1 != -- ]]; do shift; done;"
                            " shift; print -l -- $@; }; _files() { :; };"
                            " source '" BULKHEAD_BINARY_DIR "/tools/_bulkhead'; words=("
                              + words + "); CURRENT=${#words}; _bulkhead");
}

/// What fish completes for them, without their descriptions.
std::set<std::string> fish_completes(const std::string& words) {
  return words_of("HOME=/nonexistent fish --no-config",
                  "source '" BULKHEAD_BINARY_DIR "/tools/bulkhead.fish'; complete -C '" + words
                    + "' | string replace -r '\\t.*' ''");
}

struct shell {
  const char* name;
  std::set<std::string> (*completes)(const std::string& words);
};
constexpr shell shells[] = {
  {"bash", bash_completes}, {"zsh", zsh_completes}, {"fish", fish_completes}};

} // namespace

TEST_CASE("the completion offers each path that a job may have, and no other") {
  CHECK(completed_paths() == accepted_paths());
}

TEST_CASE("each shell's completion offers each option that the command has, and no other") {
  for (const auto& shell : shells) {
    CAPTURE(shell.name);
    if (!is_there(shell.name)) {
      MESSAGE("skipped: there is no " << shell.name);
      continue;
    }
    for (const std::string subcommand : {"run", "audit", "validate", "list", "init", "top", "stack",
                                         "events", "node", "jobs", "attach"}) {
      CAPTURE(subcommand);
      CHECK(shell.completes("bulkhead " + subcommand + " --") == options_of(subcommand.c_str()));
    }
    CHECK(shell.completes("bulkhead run job.json --log-level wa").count("warning") == 1);
    std::set<std::string> settings;
    for (const auto& path : accepted_paths())
      settings.insert(path + "=");
    CHECK(shell.completes("bulkhead run job.json --set ''") == settings);
  }
}

TEST_CASE("the help of each command has an example of it") {
  for (const std::string subcommand : {"run", "audit", "validate", "list", "init", "top", "stack",
                                       "events", "node", "cluster", "jobs", "attach"}) {
    CAPTURE(subcommand);
    command help({subcommand, "--help"});
    CHECK(help.wait() == 0);
    const auto examples =
      help.out().substr(std::min(help.out().find("Examples:"), help.out().size()));
    CHECK(examples.find("bulkhead " + subcommand) != std::string::npos);
  }
}

TEST_CASE("the man page names each option, and each exit status of the help") {
  auto page = text_of("tools/bulkhead.1.in");
  page = std::regex_replace(page, std::regex(R"(\\-)"), "-");
  for (const auto* subcommand :
       {"run", "audit", "validate", "list", "init", "events", "node", "jobs"})
    for (const auto& option : options_of(subcommand)) {
      CAPTURE(option);
      CHECK(page.find(option) != std::string::npos);
    }
  command help({"--help"});
  REQUIRE(help.wait() == 0);
  for (const auto* status : {"0", "1", "2", "129", "130", "131", "143"}) {
    CAPTURE(status);
    CHECK(help.out().find(std::string(status) + " ") != std::string::npos);
    CHECK(page.find(".B " + std::string(status) + "\n") != std::string::npos);
  }
}

TEST_CASE("the reference shows each kind of inputs, and all that a reduction has") {
  const auto reference = text_of("config/reference.jsonc");
  for (const auto* object : {"input", "reduce"}) {
    const auto part = bulkhead::config::schema_of(pointer{} / object);
    for (const auto& [key, below] : part["properties"].items()) {
      CAPTURE(key);
      CHECK(reference.find("\"" + key + "\":") != std::string::npos);
    }
  }
}

TEST_CASE("man page and reference name what the output writes in place of what JSON lacks") {
  for (const auto* document : {"config/reference.jsonc", "tools/bulkhead.1.in", "docs/guide.md"}) {
    const auto text = text_of(document);
    for (const auto* word : {"NaN", "Infinity", "base64", "append"}) {
      CAPTURE(document);
      CAPTURE(word);
      CHECK(text.find(word) != std::string::npos);
    }
  }
}
