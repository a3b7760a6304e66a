#pragma once

#include <bulkhead/detail/function_ref.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace bulkhead::runtime {

/// A module of the host: a worker loads it from `path` when a function in it is called and checks
/// that it is still the same.
struct known_module {
  std::uint64_t id = 0;
  std::string path;

  friend bool operator==(const known_module&, const known_module&) = default;
};

/// The program and the shared libraries that this process has loaded now, with absolute paths.
std::vector<known_module> loaded_modules();

/// Keeps all that is loaded now for the life of this process, so that none of it has to be looked
/// up again. For the forkserver. Thread-safe.
void keep_loaded_modules();

/// In a worker: what the host has loaded. Replaces the former list. Thread-safe.
void set_known_modules(std::vector<known_module> modules);

/// Loads those of them that are not loaded yet: for a process that can open no file later. What
/// cannot be loaded is told when its code is called. Thread-safe.
void load_known_modules();

} // namespace bulkhead::runtime
