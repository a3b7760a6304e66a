#include "runtime/code/module_scan.hpp"

#include <cstddef>
#include <cstring>
#include <filesystem>
#include <span>
#include <string_view>
#include <system_error>

#include <link.h>

namespace bulkhead::runtime {
namespace {

/// Not cryptographic: it tells versions of our own files apart.
class hasher {
public:
  void add(std::span<const std::byte> bytes) noexcept {
    while (bytes.size() >= sizeof(std::uint64_t)) {
      std::uint64_t word = 0;
      std::memcpy(&word, bytes.data(), sizeof word);
      mix(word);
      bytes = bytes.subspan(sizeof word);
    }
    for (const auto byte : bytes)
      mix(std::to_integer<std::uint64_t>(byte));
  }

  /// Never 0, which means "no module".
  std::uint64_t value() const noexcept { return state_ == 0 ? 1 : state_; }

private:
  void mix(std::uint64_t word) noexcept {
    state_ = (state_ ^ word) * 0x9e3779b97f4a7c15ULL;
    state_ ^= state_ >> 29;
  }

  std::uint64_t state_ = 0x2545f4914f6cdd1dULL;
};

std::span<const std::byte> segment(std::uintptr_t base, const ElfW(Phdr) & header) noexcept {
  return {reinterpret_cast<const std::byte*>(base + header.p_vaddr), header.p_memsz};
}

std::size_t round_up(std::size_t size, std::size_t alignment) noexcept {
  return (size + alignment - 1) / alignment * alignment;
}

/// The build id in a note segment; empty where it has none.
std::span<const std::byte> find_build_id(std::span<const std::byte> notes,
                                         std::size_t alignment) noexcept {
  while (notes.size() >= sizeof(ElfW(Nhdr))) {
    ElfW(Nhdr) note;
    std::memcpy(&note, notes.data(), sizeof note);
    const auto name_at = sizeof note;
    const auto content_at = name_at + round_up(note.n_namesz, alignment);
    const auto end = content_at + round_up(note.n_descsz, alignment);
    if (content_at + note.n_descsz > notes.size())
      break;
    const std::string_view name(reinterpret_cast<const char*>(notes.data() + name_at),
                                note.n_namesz);
    if (note.n_type == NT_GNU_BUILD_ID && name == std::string_view("GNU\0", 4))
      return notes.subspan(content_at, note.n_descsz);
    if (end >= notes.size())
      break;
    notes = notes.subspan(end);
  }
  return {};
}

bool is_code(const ElfW(Phdr) & header) noexcept {
  return header.p_type == PT_LOAD && (header.p_flags & PF_X) != 0;
}

} // namespace

std::uint64_t id_of_module(std::uintptr_t base, std::span<const ElfW(Phdr)> headers) noexcept {
  hasher hash;
  for (const auto& header : headers) {
    if (header.p_type != PT_NOTE)
      continue;
    const auto id = find_build_id(segment(base, header), header.p_align == 8 ? 8 : 4);
    if (!id.empty())
      return id_of_build(id);
  }
  for (const auto& header : headers)
    // A build without an id is told apart by its code, as it is mapped.
    if (is_code(header) && (header.p_flags & PF_R) != 0)
      hash.add(segment(base, header));
  return hash.value();
}

namespace {

int add_module(dl_phdr_info* info, std::size_t, void* to) {
  auto& modules = *static_cast<std::vector<loaded_module>*>(to);
  const std::span headers(info->dlpi_phdr, info->dlpi_phnum);
  loaded_module found{id_of_module(info->dlpi_addr, headers), info->dlpi_addr, info->dlpi_name, {}};
  for (const auto& header : headers)
    if (is_code(header))
      found.code.push_back(
        {info->dlpi_addr + header.p_vaddr, info->dlpi_addr + header.p_vaddr + header.p_memsz});
  modules.push_back(std::move(found));
  return 0;
}

} // namespace

std::uint64_t id_of_build(std::span<const std::byte> build_id) noexcept {
  hasher hash;
  hash.add(build_id);
  return hash.value();
}

std::vector<loaded_module> scan_modules() {
  std::vector<loaded_module> modules;
  dl_iterate_phdr(&add_module, &modules);
  // The linker's list has no name for the program itself.
  if (!modules.empty() && modules.front().path.empty()) {
    std::error_code ignored;
    modules.front().path = std::filesystem::read_symlink("/proc/self/exe", ignored).native();
  }
  return modules;
}

} // namespace bulkhead::runtime
