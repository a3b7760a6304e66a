#include "runtime/code/code_place.hpp"

#include "runtime/code/module_scan.hpp"

#include <dlfcn.h>

#include <cstring>
#include <span>

namespace bulkhead::runtime {

#if __GLIBC_PREREQ(2, 35)

namespace {

bool has_code_at(std::uintptr_t base, std::span<const ElfW(Phdr)> headers,
                 std::uintptr_t address) noexcept {
  for (const auto& header : headers)
    if (header.p_type == PT_LOAD && (header.p_flags & PF_X) != 0
        && address - base - header.p_vaddr < header.p_memsz)
      return true;
  return false;
}

} // namespace

// _dl_find_object takes no lock; what it returns was mapped from a file by the dynamic linker, with
// the file's header in front.
code_place place_of_code(std::uintptr_t address) noexcept {
  dl_find_object found{};
  if (_dl_find_object(reinterpret_cast<void*>(address), &found) != 0)
    return {};
  const auto* start = static_cast<const std::byte*>(found.dlfo_map_start);
  ElfW(Ehdr) file{};
  std::memcpy(&file, start, sizeof file);
  // This may run in a crash handler: what does not look as expected is left alone.
  if (std::memcmp(file.e_ident, ELFMAG, SELFMAG) != 0)
    return {};
  const std::span headers{reinterpret_cast<const ElfW(Phdr)*>(start + file.e_phoff), file.e_phnum};
  const std::uintptr_t base = found.dlfo_link_map->l_addr;
  if (!has_code_at(base, headers, address))
    return {};
  return {id_of_module(base, headers), address - base};
}

#else

code_place place_of_code(std::uintptr_t) noexcept { return {}; }

#endif

} // namespace bulkhead::runtime
