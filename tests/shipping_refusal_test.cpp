#include <doctest/doctest.h>

#include <array>
#include <cstddef>
#include <cstdio>
#include <string>

// ctest-timeout: 180

namespace {

struct refusal {
  std::size_t times; ///< in support/refusals/refused.cpp
  const char* text;
};

constexpr refusal refusals[] = {
  {5, "this closure captures a pointer, reference, string_view or span"},
  {1, "what it captures is not trivially copyable"},
  {1, "a pointer to member cannot travel; wrap the call in a lambda"},
  {1, "a std::function hides what it holds"},
  {2, "a pointer or reference means nothing in another process"},
  {2, "a string_view or span refers to memory of this process"},
  {1, "a shared_ptr cannot be shared with another process"},
  {1, "this type cannot travel to another process; give it an inspect() function"},
  {1, "there a const char* or string_view is a std::string"},
  {1, "a function can be a task or its argument, but no result"},
};

std::size_t occurrences(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1))
    ++count;
  return count;
}

struct compilation {
  int status;
  std::string output;
};

compilation compile(const std::string& definition) {
  const std::string source = BULKHEAD_SOURCE_DIR;
  const auto command = std::string(BULKHEAD_CXX_COMPILER)
                       + " -std=c++20 -fsyntax-only -fno-diagnostics-show-caret -D" + definition
                       + " -I" + source + "/include " + source
                       + "/tests/support/refusals/refused.cpp 2>&1";
  std::FILE* pipe = popen(command.c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::string output;
  std::array<char, 4096> part;
  while (const auto count = std::fread(part.data(), 1, part.size(), pipe))
    output.append(part.data(), count);
  return {pclose(pipe), output};
}

} // namespace

TEST_CASE("what can travel compiles") {
  const auto result = compile("ALLOWED");
  CHECK_MESSAGE(result.status == 0, result.output);
}

TEST_CASE("what cannot travel is refused by the compiler with one reason") {
  const auto result = compile("REFUSED");
  CHECK(result.status != 0);
  std::size_t all = 0;
  for (const auto& each : refusals) {
    CAPTURE(each.text);
    CHECK_MESSAGE(occurrences(result.output, each.text) == each.times, result.output);
    all += each.times;
  }
  CHECK_MESSAGE(occurrences(result.output, "error: ") == all, result.output);
}
