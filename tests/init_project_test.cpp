// ctest-needs: bulkhead_cli
// ctest-timeout: 60
// What `bulkhead init` writes, and where it refuses to. scripts/check_install builds and runs it.
#include "tests/support/command.hpp"
#include "tests/support/runner_jobs.hpp"
#include "tests/support/temporary_folder.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

using bulkhead::testing::command;
using bulkhead::testing::content_of;
using bulkhead::testing::temporary_folder;

namespace fs = std::filesystem;

TEST_CASE("a new project has all its files, in its own name") {
  const temporary_folder folder;
  for (const char* name : {"word-count", "a/b/deep", "slash_at_end/"}) {
    CAPTURE(std::string(name));
    const auto where = folder.path() / name;
    command c({"init", where.string()});
    CHECK(c.wait() == 0);
    CHECK(c.out().find("cmake -B build") != std::string::npos);
    std::vector<std::string> files;
    for (const auto& entry : fs::directory_iterator(where)) {
      files.push_back(entry.path().filename().string());
      CHECK(content_of(entry.path()).find('@') == std::string::npos);
    }
    std::sort(files.begin(), files.end());
    CHECK(files
          == std::vector<std::string>{"CMakeLists.txt", "job.json", "tasks.cpp", "tasks.hpp",
                                      "test.cpp"});
  }
  CHECK(content_of(folder.path() / "word-count/tasks.cpp").find("\"word_count.count_words\"")
        != std::string::npos);
}

TEST_CASE("where something is already, or the name is none, nothing is written") {
  const temporary_folder folder;
  folder.write("file", "x");
  fs::create_directory(folder.path() / "full");
  folder.write("full/mine", "x");
  const struct {
    const char* name;
    const char* says;
  } cases[] = {{"file", "it is no folder"},
               {"full", "the folder is not empty"},
               {"1st", "gives a project no name"},
               {"a\"b", "gives a project no name"},
               {"file/below", "cannot be written"}};
  for (const auto& wrong : cases) {
    CAPTURE(std::string(wrong.name));
    command c({"init", (folder.path() / wrong.name).string()});
    CHECK(c.wait() == 2);
    CHECK(c.err().find(wrong.says) != std::string::npos);
  }
  CHECK(content_of(folder.path() / "full/mine") == "x");
  CHECK(fs::directory_iterator(folder.path() / "full") != fs::directory_iterator());
}
