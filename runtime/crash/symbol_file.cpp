#include "runtime/crash/symbol_file.hpp"

#include "runtime/code/module_scan.hpp"
#include "runtime/system/unique_fd.hpp"

#include <cxxabi.h>
#include <dwarf.h>
#include <elfutils/libdwfl.h>
#include <fcntl.h>

#include <cstdlib>
#include <optional>
#include <span>
#include <string_view>

// Names and lines of code, by elfutils. A file is used only where its build id is the module's: one
// that was replaced on disk would name other functions.
namespace bulkhead::runtime {

namespace {

constexpr std::size_t max_name_bytes = 400;

struct free_memory {
  void operator()(void* memory) const noexcept { std::free(memory); }
};

// Only the file that is given; never a search by name.
int find_no_file(Dwfl_Module*, void**, const char*, Dwarf_Addr, char**, Elf**) { return -1; }

int find_no_debug_file(Dwfl_Module*, void**, const char*, Dwarf_Addr, const char*, const char*,
                       GElf_Word, char**) {
  return -1;
}

// The standard callback would end with a request to the servers in DEBUGINFOD_URLS; looking by
// build id is the local part of it.
constexpr Dwfl_Callbacks with_debug_files{&find_no_file, &dwfl_build_id_find_debuginfo,
                                          &dwfl_offline_section_address, nullptr};
constexpr Dwfl_Callbacks alone{&find_no_file, &find_no_debug_file, &dwfl_offline_section_address,
                               nullptr};

std::string demangled(const char* name) {
  int status = 0;
  const std::unique_ptr<char, free_memory> text{
    abi::__cxa_demangle(name, nullptr, nullptr, &status)};
  std::string full = status == 0 && text ? text.get() : name;
  if (full.size() > max_name_bytes)
    full.replace(max_name_bytes, std::string::npos, "...");
  return full;
}

struct source_line {
  std::string file;
  int line = 0;
};

std::string at_line(const source_line& where) {
  return where.file.empty() ? "" : " at " + where.file + ':' + std::to_string(where.line);
}

std::optional<Dwarf_Word> number_of(Dwarf_Die& die, unsigned name) {
  Dwarf_Attribute found{};
  Dwarf_Word value = 0;
  if (dwarf_formudata(dwarf_attr(&die, name, &found), &value) != 0)
    return std::nullopt;
  return value;
}

/// Where the inlined function was called.
source_line call_site(Dwarf_Die& cu, Dwarf_Die& inlined) {
  Dwarf_Files* files = nullptr;
  std::size_t count = 0;
  const auto file = number_of(inlined, DW_AT_call_file);
  const auto line = number_of(inlined, DW_AT_call_line);
  if (!file || !line || dwarf_getsrcfiles(&cu, &files, &count) != 0)
    return {};
  const char* name = dwarf_filesrc(files, *file, nullptr, nullptr);
  return name == nullptr ? source_line{} : source_line{name, static_cast<int>(*line)};
}

std::string name_of(Dwarf_Die& function) {
  Dwarf_Attribute found{};
  for (const unsigned name : {DW_AT_linkage_name, DW_AT_MIPS_linkage_name})
    if (const auto* text = dwarf_formstring(dwarf_attr_integrate(&function, name, &found)))
      return demangled(text);
  const char* plain = dwarf_diename(&function);
  return plain == nullptr ? "?" : plain;
}

bool is_other_build(Dwfl_Module* file, std::uint64_t module) {
  const unsigned char* bits = nullptr;
  GElf_Addr address = 0;
  const int bytes = dwfl_module_build_id(file, &bits, &address);
  return bytes > 0
         && id_of_build(std::as_bytes(std::span{bits, static_cast<std::size_t>(bytes)})) != module;
}

} // namespace

struct symbol_file::session {
  session(const std::string& path, debug_files from)
    : dwfl(dwfl_begin(from == debug_files::search ? &with_debug_files : &alone)) {
    unique_fd fd{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
    if (dwfl == nullptr || !fd)
      return;
    dwfl_report_begin(dwfl);
    // At base 0 with the file's own addresses: an address here is an offset there.
    file = dwfl_report_elf(dwfl, path.c_str(), path.c_str(), fd.get(), 0, true);
    if (file != nullptr)
      fd.release(); // consumed
    dwfl_report_end(dwfl, nullptr, nullptr);
  }
  ~session() {
    if (dwfl != nullptr)
      dwfl_end(dwfl);
  }
  session(const session&) = delete;
  session& operator=(const session&) = delete;

  source_line line_of(std::uint64_t offset) const {
    int line = 0;
    Dwarf_Addr bias = 0;
    if (dwfl_module_addrdie(file, offset, &bias) == nullptr)
      return {}; // code without debug information would get the line of its neighbour
    auto* found = dwfl_module_getsrc(file, offset);
    const char* name =
      found == nullptr ? nullptr : dwfl_lineinfo(found, nullptr, &line, nullptr, nullptr, nullptr);
    return name == nullptr ? source_line{} : source_line{name, line};
  }

  /// One line of text for each inlined function, up to the one that really was called; `where`
  /// becomes the line in that.
  std::string inlined_calls(std::uint64_t offset, source_line& where) const {
    Dwarf_Addr bias = 0;
    Dwarf_Die* scopes = nullptr;
    auto* cu = dwfl_module_addrdie(file, offset, &bias);
    const int count = cu == nullptr ? 0 : dwarf_getscopes(cu, offset - bias, &scopes);
    const std::unique_ptr<Dwarf_Die, free_memory> owned{scopes};
    std::string text;
    for (int i = 0; i < count && dwarf_tag(&scopes[i]) != DW_TAG_subprogram; ++i) {
      if (dwarf_tag(&scopes[i]) != DW_TAG_inlined_subroutine)
        continue;
      text += name_of(scopes[i]) + at_line(where) + ", inlined in\n";
      where = call_site(*cu, scopes[i]);
    }
    return text;
  }

  Dwfl* dwfl;
  Dwfl_Module* file = nullptr;
};

symbol_file::symbol_file(const std::string& path, std::uint64_t module, debug_files from)
  : session_(std::make_unique<session>(path, from)) {
  if (session_->file != nullptr && is_other_build(session_->file, module))
    session_->file = nullptr;
}

symbol_file::~symbol_file() = default;

std::string symbol_file::describe(std::uint64_t offset, bool lines) {
  if (session_->file == nullptr)
    return {};
  const char* symbol = dwfl_module_addrname(session_->file, offset);
  auto function = symbol == nullptr ? std::string{} : demangled(symbol);
  if (!lines)
    return function;
  auto where = session_->line_of(offset);
  const auto inner = session_->inlined_calls(offset, where);
  return inner + (function.empty() ? "?" : function) + at_line(where);
}

} // namespace bulkhead::runtime
