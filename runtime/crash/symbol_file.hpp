#pragma once

#include <cstdint>
#include <memory>
#include <string>

namespace bulkhead::runtime {

/// Whether debug information in a file of its own, under /usr/lib/debug, is used. That of the C
/// library alone takes a third of a second to open.
enum class debug_files : std::uint8_t { ignore, search };

/// A program or library on disk that turns offsets of code into names, by its symbol table and,
/// where there is any, its debug information. Never uses the network. Not thread-safe.
class symbol_file {
public:
  /// Opens nothing where the file is not there any more or its build id does not belong to `module`
  /// (loaded_module::id); then describe() knows nothing. A file without build id is taken as it is.
  symbol_file(const std::string& path, std::uint64_t module, debug_files from);
  ~symbol_file();
  symbol_file(const symbol_file&) = delete;
  symbol_file& operator=(const symbol_file&) = delete;

  /// "function(int) at file.cpp:12", with a line for each inlined call around it, innermost first;
  /// without `lines` only the function. Empty where nothing is known.
  std::string describe(std::uint64_t offset, bool lines);

private:
  struct session;
  std::unique_ptr<session> session_;
};

} // namespace bulkhead::runtime
