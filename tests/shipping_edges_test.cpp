// ctest-timeout: 120
#include "tests/support/leak_guard.hpp"
#include "tests/support/temporary_folder.hpp"

#include <bulkhead/detail/function_ref.hpp>
#include <bulkhead/tasks.hpp>

#include <doctest/doctest.h>

#include <dlfcn.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

using namespace bulkhead;
using namespace bulkhead::tests;

namespace {

using sparse = std::vector<std::optional<std::array<char, 1024>>>;

sparse with_last_set(std::size_t count) {
  sparse made(count);
  made.back().emplace().fill('x');
  return made;
}

bool last_is_set(const sparse& from) { return from.back() && (*from.back())[1023] == 'x'; }

const std::filesystem::path a_library = BULKHEAD_TEST_MODULE_DIR "/crashing.so";

void* open_library(const std::filesystem::path& file) {
  auto* handle = ::dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  REQUIRE_MESSAGE(handle != nullptr, ::dlerror());
  return handle;
}

} // namespace

TEST_CASE("a value that is large and sparse travels both ways") {
  const leak_guard guard;
  pool p{{.workers = 1}};
  CHECK(p.apply(last_is_set, with_last_set(100'000)));
  CHECK(last_is_set(p.apply(with_last_set, std::size_t{100'000})));
}

TEST_CASE("a process and an initializer may have megabytes of arguments") {
  const leak_guard guard;
  const std::string large(3 << 20, 'x');
  process child{[](const std::string& text) { std::_Exit(text.size() == 3 << 20 ? 7 : 1); }, large};
  child.start();
  child.join();
  CHECK(child.exit_code() == 7);
  static std::size_t seen = 0;
  pool p{{.workers = 1,
          .initializer = call([](const std::string& text) { seen = text.size(); }, large)}};
  CHECK(p.apply([] { return seen; }) == large.size());
}

TEST_CASE("a value that cannot be copied is taken by one copy of its future; the other says so") {
  const leak_guard guard;
  pool p{{.workers = 1}};
  auto mine = p.submit([] { return std::make_unique<int>(5); });
  auto other = mine;
  CHECK(*std::move(mine).get() == 5);
  CHECK_THROWS_AS(other.get(), config_error);
  CHECK_THROWS_AS(std::move(other).get(), config_error);
}

TEST_CASE("a failure is there for each copy of a future of what cannot be copied") {
  const leak_guard guard;
  pool p{{.workers = 1}};
  auto mine = p.submit([]() -> std::unique_ptr<int> { throw std::runtime_error("no"); });
  auto other = mine;
  CHECK_THROWS_AS(std::move(mine).get(), task_error);
  CHECK_THROWS_AS(std::move(other).get(), task_error);
}

// The dynamic linker likes to give the place of a library that is gone to the next one.
TEST_CASE(
  "a function is named after the library that is loaded now, not after one that was there") {
  const leak_guard guard;
  const testing::temporary_folder folder;
  const auto first = folder.path() / "first.so";
  const auto second = BULKHEAD_TEST_MODULE_DIR "/no_build_id.so";
  std::filesystem::copy_file(a_library, first);
  auto* handle = open_library(first);
  detail::to_ref(reinterpret_cast<const void*>(&last_is_set)); // looks at all that is loaded
  ::dlclose(handle);
  handle = open_library(second);
  using code_function = const void* (*)();
  const auto library_code = reinterpret_cast<code_function>(::dlsym(handle, "library_code"));
  REQUIRE((library_code != nullptr));
  const auto* code = library_code();
  CHECK(detail::from_ref(detail::to_ref(code)) == code);
  ::dlclose(handle);
  // It has been named to others: it stays.
  CHECK(::dlopen(second, RTLD_NOW | RTLD_NOLOAD) != nullptr);
}

TEST_CASE("a host may have loaded more libraries than one packet can name") {
  const leak_guard guard;
  const testing::temporary_folder folder;
  const auto deep = folder.path() / std::string(200, 'd');
  std::filesystem::create_directory(deep);
  std::vector<void*> handles;
  handles.reserve(400);
  for (int number = 0; number < 400; ++number) {
    const auto file = deep / (std::to_string(number) + ".so");
    std::filesystem::copy_file(a_library, file);
    handles.push_back(open_library(file));
  }
  {
    pool p{{.workers = 1}};
    CHECK(p.apply([](int x) { return x + 1; }, 1) == 2);
    pool executed{{.workers = 1, .start = start_method::spawn}};
    CHECK(executed.apply([](int x) { return x + 1; }, 1) == 2);
  }
  for (auto* handle : handles)
    ::dlclose(handle);
}
