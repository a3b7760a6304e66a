#include "runtime/code/module.hpp"

#include <bulkhead/detail/function_ref.hpp>
#include <bulkhead/error.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <thread>

#include <dlfcn.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

using namespace bulkhead::detail;
namespace runtime = bulkhead::runtime;
namespace fs = std::filesystem;

using int_function = int (*)(int);

int here(int x) { return x + 1; }

std::string library(const std::string& name) {
  return std::string(BULKHEAD_TEST_MODULE_DIR) + '/' + name + ".so";
}

/// Names the module's hidden function, loading the module into this process.
function_ref ref_in(const std::string& path) {
  void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  REQUIRE_MESSAGE(handle != nullptr, dlerror());
  const auto code = reinterpret_cast<const void* (*)()>(dlsym(handle, "library_code"));
  REQUIRE((code != nullptr));
  return to_ref(code());
}

/// The same by a child process, so that the module stays unknown here.
function_ref ref_elsewhere(const std::string& path) {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  const auto child = fork();
  if (child == 0) {
    const auto ref = ref_in(path);
    _exit(write(ends[1], &ref, sizeof ref) == sizeof ref ? 0 : 1);
  }
  function_ref ref;
  CHECK(read(ends[0], &ref, sizeof ref) == sizeof ref);
  int status = -1;
  CHECK(waitpid(child, &status, 0) == child);
  CHECK(status == 0);
  close(ends[0]);
  close(ends[1]);
  return ref;
}

int call(function_ref ref, int x) {
  return reinterpret_cast<int_function>(const_cast<void*>(from_ref(ref)))(x);
}

std::string refusal(function_ref ref) {
  try {
    from_ref(ref);
  } catch (const bulkhead::codec_error& e) {
    return e.what();
  }
  return "found";
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// A directory that is gone afterwards.
class scratch {
public:
  scratch() {
    char name[] = "/tmp/bulkhead_module_test_XXXXXX";
    REQUIRE(mkdtemp(name) != nullptr);
    path_ = name;
  }
  scratch(const scratch&) = delete;
  scratch& operator=(const scratch&) = delete;
  ~scratch() { fs::remove_all(path_); }
  std::string file(const char* name) const { return path_ / name; }

private:
  fs::path path_;
};

} // namespace

TEST_CASE("code of the program is found again by module and offset") {
  const auto ref = to_ref(&here);
  CHECK(ref.module != 0);
  CHECK(call(ref, 1) == 2);
  CHECK(to_ref(from_ref(ref)) == ref);
}

TEST_CASE("a module that is not loaded yet is loaded from where the host has it") {
  const auto path = library("task_library");
  const auto ref = ref_elsewhere(path);
  CHECK(contains(refusal(ref), "is not loaded here and the host named no file for it"));
  runtime::set_known_modules({{ref.module, path}});
  CHECK(call(ref, 4) == 8);
  CHECK(to_ref(from_ref(ref)) == ref);
}

TEST_CASE("loaded modules are listed with identity and absolute path") {
  const auto path = library("task_library");
  const auto ref = ref_in(path);
  const auto modules = runtime::loaded_modules();
  CHECK(std::ranges::any_of(modules, [&](const auto& each) {
    return each.id == ref.module && fs::equivalent(each.path, path);
  }));
  CHECK(std::ranges::all_of(modules, [](const auto& each) { return each.path.starts_with('/'); }));
  CHECK(modules.front().id == to_ref(&here).module);
  CHECK(fs::equivalent(modules.front().path, "/proc/self/exe"));
}

TEST_CASE("a module without a build id is known by its code, the same in each process") {
  const auto path = library("no_build_id");
  const auto ref = ref_elsewhere(path);
  CHECK(ref.module != 0);
  runtime::set_known_modules({{ref.module, path}});
  CHECK(call(ref, 4) == 12);
}

TEST_CASE("a library that was replaced on disk is refused") {
  const scratch directory;
  const auto path = directory.file("replaced.so");
  fs::copy_file(library("task_library"), path);
  runtime::set_known_modules({{12345, path}});
  CHECK(contains(refusal({12345, 0}), path + " is not the module 0000000000003039 any more"));
}

TEST_CASE("a library that is gone is refused with its path") {
  runtime::set_known_modules({{12346, "/nowhere/gone.so"}});
  CHECK(contains(refusal({12346, 0}), "cannot be loaded from /nowhere/gone.so"));
  runtime::set_known_modules({});
  CHECK(contains(refusal({12346, 0}), "load the library with bulkhead::load_library"));
}

TEST_CASE("an offset outside of a module's code is refused") {
  auto ref = to_ref(&here);
  ref.offset = 0; // the file's header
  CHECK(contains(refusal(ref), "has no code at offset 0x"));
  ref.offset = ~std::uint64_t{0};
  CHECK(contains(refusal(ref), "has no code at offset 0x"));
  static int variable = 0;
  ref.offset = to_ref(&here).offset + reinterpret_cast<std::uintptr_t>(&variable)
               - reinterpret_cast<std::uintptr_t>(&here);
  CHECK(contains(refusal(ref), "has no code at offset 0x"));
}

TEST_CASE("what is no code has no name") {
  static int variable = 0;
  CHECK_THROWS_AS(to_ref(static_cast<const void*>(&variable)), bulkhead::codec_error);
  CHECK_THROWS_AS(to_ref(static_cast<const void*>(nullptr)), bulkhead::codec_error);
}

TEST_CASE("a thread that has seen nothing finds the same code") {
  const auto ref = to_ref(&here);
  int result = 0;
  std::thread([&] { result = call(ref, 2); }).join();
  CHECK(result == 3);
}
