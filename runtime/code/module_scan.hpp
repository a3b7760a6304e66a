#pragma once

#include <link.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace bulkhead::runtime {

/// A contiguous part of memory, [begin, end).
struct code_range {
  std::uintptr_t begin;
  std::uintptr_t end;
};

/// A program or shared library in this process.
struct loaded_module {
  std::uint64_t id;    ///< hash of the build id, or of the code where there is none
  std::uintptr_t base; ///< what is added to the addresses in its file
  std::string path;    ///< as the dynamic linker knows it; the program's own is absolute
  std::vector<code_range> code;

  bool has_code_at(std::uintptr_t address) const noexcept {
    for (const auto& range : code)
      if (address >= range.begin && address < range.end)
        return true;
    return false;
  }
};

/// All of them, the program first. Takes the dynamic linker's lock.
std::vector<loaded_module> scan_modules();

/// The id of a module with this build id.
std::uint64_t id_of_build(std::span<const std::byte> build_id) noexcept;

/// The id of a module that is mapped at `base`. Async-signal-safe.
std::uint64_t id_of_module(std::uintptr_t base, std::span<const ElfW(Phdr)> headers) noexcept;

} // namespace bulkhead::runtime
