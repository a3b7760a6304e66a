#include "runtime/code/module.hpp"

#include <bulkhead/error.hpp>

#include "runtime/code/fork_gate.hpp"
#include "runtime/code/module_scan.hpp"

#include <array>
#include <bit>
#include <cstdio>
#include <filesystem>
#include <mutex>
#include <optional>
#include <system_error>
#include <unordered_set>
#include <utility>

#include <dlfcn.h>

// How code is named across processes: a module by its build id, a function by its offset there. Any
// thread comes here. The order of locks is gate, table, linker; a reference to a library is taken
// after the table is let go, since a static constructor that runs under the linker's lock may name
// code.
namespace bulkhead::runtime {
namespace {

using detail::function_ref;

std::string hex(std::uint64_t number) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(number));
  return text;
}

/// What this process knows of its modules. One whose code has been named is kept loaded, so that
/// what was found stays right; the others are looked up anew, since they may have gone.
class module_table {
public:
  static module_table& instance() {
    static auto& table = *new module_table; // outlives threads that still run at exit
    return table;
  }

  function_ref name(const void* code) {
    const fork_gate::pass own_pass;
    const auto address = std::bit_cast<std::uintptr_t>(code);
    kept_library kept;
    const std::lock_guard lock{mutex_};
    const auto* module = find_address(address);
    if (module == nullptr || !is_kept(*module)) { // another may have been loaded in its place
      modules_ = scan_modules();
      module = find_address(address);
    }
    if (module != nullptr) {
      kept.path = keep(*module);
      return {module->id, address - module->base};
    }
    throw codec_error("no loaded program or library has code at 0x" + hex(address)
                      + ": a function made at run time cannot be called in a worker");
  }

  const void* find(function_ref ref) {
    const fork_gate::pass own_pass;
    kept_library kept;
    std::unique_lock lock{mutex_};
    const auto* module = find_id(ref.module);
    if (module == nullptr || !is_kept(*module)) {
      modules_ = scan_modules();
      module = find_id(ref.module);
    }
    if (module == nullptr)
      module = &load(ref.module, lock);
    kept.path = keep(*module);
    // The offset comes from another process: it is only followed into code of that module.
    const auto address = module->base + ref.offset;
    if (!module->has_code_at(address))
      throw codec_error("module " + hex(ref.module) + " (" + module->path
                        + ") has no code at offset 0x" + hex(ref.offset));
    return std::bit_cast<const void*>(address);
  }

  void keep_all() {
    const fork_gate::pass own_pass;
    const std::lock_guard lock{mutex_};
    modules_ = scan_modules();
    for (const auto& module : modules_)
      kept_.insert(module.base);
  }

  void set_known(std::vector<known_module> modules) {
    const fork_gate::pass own_pass;
    const std::lock_guard lock{mutex_};
    known_ = std::move(modules);
  }

  void load_known() {
    const fork_gate::pass own_pass;
    std::unique_lock lock{mutex_};
    modules_ = scan_modules();
    std::vector<std::string> missing;
    for (const auto& known : known_)
      if (find_id(known.id) == nullptr)
        missing.push_back(known.path);
    lock.unlock(); // see load()
    for (const auto& path : missing)
      dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    lock.lock();
    modules_ = scan_modules();
  }

private:
  bool is_kept(const loaded_module& module) const { return kept_.contains(module.base); }

  /// One more reference to a library, for ever: its code has been named to other processes. Taken
  /// at the end, without the lock: who holds the dynamic linker's may wait for ours.
  struct kept_library {
    std::string path = {};
    kept_library() = default;
    kept_library(kept_library&& other) noexcept : path(std::exchange(other.path, {})) {}
    kept_library& operator=(kept_library&&) = delete;
    ~kept_library() {
      if (!path.empty())
        static_cast<void>(::dlopen(path.c_str(), RTLD_NOW | RTLD_NOLOAD));
    }
  };

  // The path of one that is not kept yet.
  std::string keep(const loaded_module& module) {
    return kept_.insert(module.base).second ? module.path : std::string{};
  }

  const loaded_module* find_address(std::uintptr_t address) const {
    for (const auto& module : modules_)
      if (module.has_code_at(address))
        return &module;
    return nullptr;
  }

  const loaded_module* find_id(std::uint64_t id) const {
    for (const auto& module : modules_)
      if (module.id == id)
        return &module;
    return nullptr;
  }

  const known_module* find_known(std::uint64_t id) const {
    for (const auto& known : known_)
      if (known.id == id)
        return &known;
    return nullptr;
  }

  // Without the lock while it loads: a static constructor there may name functions itself.
  const loaded_module& load(std::uint64_t id, std::unique_lock<std::mutex>& lock) {
    const auto* known = find_known(id);
    if (known == nullptr)
      throw codec_error("the function's module " + hex(id)
                        + " is not loaded here and the host named no file for it: load the "
                          "library with bulkhead::load_library before the pool is made");
    const auto path = known->path;
    lock.unlock();
    auto* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    const char* reason = handle == nullptr ? dlerror() : nullptr;
    lock.lock();
    if (handle == nullptr)
      throw codec_error("the function's module " + hex(id) + " cannot be loaded from " + path + ": "
                        + (reason == nullptr ? "no reason given" : reason));
    modules_ = scan_modules();
    if (const auto* module = find_id(id))
      return *module;
    // Another build under the same path: its functions lie elsewhere, and calling one would run
    // anything.
    dlclose(handle);
    modules_ = scan_modules();
    throw codec_error(path + " is not the module " + hex(id)
                      + " any more that the host has loaded: it was replaced on disk; restart the "
                        "host");
  }

  std::mutex mutex_;
  std::vector<loaded_module> modules_;
  std::vector<known_module> known_;
  std::unordered_set<std::uintptr_t> kept_; ///< bases of modules that are never unloaded
};

/// Direct-mapped, one for each thread: a hit takes no lock.
template <class Key, class Value>
class small_cache {
public:
  const Value* find(const Key& key, std::uint64_t hash) const noexcept {
    const auto& entry = slots_[place(hash)];
    return entry.used && entry.key == key ? &entry.value : nullptr;
  }
  void put(const Key& key, std::uint64_t hash, const Value& value) noexcept {
    slots_[place(hash)] = {true, key, value};
  }

private:
  static constexpr int bits = 6;
  static std::size_t place(std::uint64_t hash) noexcept {
    return static_cast<std::size_t>((hash * 0x9e3779b97f4a7c15ULL) >> (64 - bits));
  }

  struct slot {
    bool used = false;
    Key key{};
    Value value{};
  };
  std::array<slot, std::size_t{1} << bits> slots_{};
};

constinit thread_local small_cache<const void*, function_ref> refs;
constinit thread_local small_cache<function_ref, const void*> addresses;

std::string absolute(const std::string& path) {
  std::error_code failed;
  auto full = std::filesystem::absolute(path, failed);
  return failed ? path : full.lexically_normal().native();
}

} // namespace

std::vector<known_module> loaded_modules() {
  const fork_gate::pass own_pass;
  std::vector<known_module> known;
  for (const auto& module : scan_modules())
    if (module.path.find('/') != std::string::npos) // not the kernel's vdso
      known.push_back({module.id, absolute(module.path)});
  return known;
}

void keep_loaded_modules() { module_table::instance().keep_all(); }

void set_known_modules(std::vector<known_module> modules) {
  module_table::instance().set_known(std::move(modules));
}

void load_known_modules() { module_table::instance().load_known(); }

} // namespace bulkhead::runtime

namespace bulkhead::detail {

function_ref to_ref(const void* code) {
  const auto hash = std::bit_cast<std::uintptr_t>(code);
  if (const auto* known = runtime::refs.find(code, hash))
    return *known;
  const auto ref = runtime::module_table::instance().name(code);
  runtime::refs.put(code, hash, ref);
  return ref;
}

const void* from_ref(function_ref ref) {
  const auto hash = ref.module ^ ref.offset;
  if (const auto* known = runtime::addresses.find(ref, hash))
    return *known;
  const auto* code = runtime::module_table::instance().find(ref);
  runtime::addresses.put(ref, hash, code);
  return code;
}

} // namespace bulkhead::detail
