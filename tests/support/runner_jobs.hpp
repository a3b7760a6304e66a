#pragma once

#include <doctest/doctest.h>

#include "tests/support/temporary_folder.hpp"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include <sys/stat.h>

// What tests of `bulkhead run` write and read.
namespace bulkhead::testing {

/// The task library of these tests.
inline const std::string runner_tasks = BULKHEAD_TEST_MODULE_DIR "/runner_tasks.so";

/// A job on its tasks.
inline std::string job(const std::string& members) {
  return "{\"load\": [\"" + runner_tasks + "\"], " + members + "}";
}

inline std::string content_of(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

inline std::string make_fifo(const temporary_folder& folder, const char* name) {
  const auto path = folder.path() / name;
  REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
  return path.string();
}

} // namespace bulkhead::testing
