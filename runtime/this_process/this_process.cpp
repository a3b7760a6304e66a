#include "runtime/this_process/this_process.hpp"

#include "runtime/system/descriptors.hpp"

#include <bulkhead/error.hpp>

#include <fcntl.h>
#include <link.h>
#include <sys/auxv.h>
#include <sys/stat.h>

#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>

namespace bulkhead::runtime {

namespace {

// Where the program's own headers lie: in a mapping of its file.
int note_first(dl_phdr_info* info, std::size_t, void* into) {
  *static_cast<std::uintptr_t*>(into) = reinterpret_cast<std::uintptr_t>(info->dlpi_phdr);
  return 1;
}

/// The file of the running program, which is not /proc/self/exe where the dynamic linker was the
/// command; empty where /proc does not tell.
std::string file_of_program() {
  std::uintptr_t address = 0;
  ::dl_iterate_phdr(&note_first, &address);
  std::ifstream maps{"/proc/self/maps"};
  for (std::string line; std::getline(maps, line);) {
    std::uintptr_t begin = 0;
    std::uintptr_t end = 0;
    const auto path = line.find('/');
    if (std::sscanf(line.c_str(), "%" SCNxPTR "-%" SCNxPTR, &begin, &end) == 2 && address >= begin
        && address < end && path != std::string::npos)
      return line.substr(path);
  }
  return {};
}

bool is_what_runs(const std::string& path) {
  struct stat program {};
  struct stat runs {};
  return ::stat(path.c_str(), &program) != 0 || ::stat("/proc/self/exe", &runs) != 0
         || (program.st_dev == runs.st_dev && program.st_ino == runs.st_ino);
}

std::vector<std::string> words_of_command() {
  std::ifstream file{"/proc/self/cmdline", std::ios::binary};
  std::vector<std::string> words;
  for (std::string each; std::getline(file, each, '\0');)
    words.push_back(each);
  return words;
}

} // namespace

this_process& this_process::get() {
  static auto& self = *new this_process; // never destroyed: used during static destruction
  return self;
}

void this_process::require_init() {
  if (get().kind == role::not_initialised)
    throw config_error("bulkhead is not initialised: make `bulkhead::init(argc, argv);` the first "
                       "line of main");
}

int this_process::own_binary() noexcept {
  if (exe >= 0 && exe_mark.names(exe))
    return exe;
  // Our binary as it is now: a program replaced on disk later never mixes versions.
  exe = above_stdio(unique_fd{::open("/proc/self/exe", O_RDONLY | O_CLOEXEC)}).release();
  exe_mark = fd_mark{exe};
  return exe;
}

std::vector<std::string> this_process::command(std::string_view mark, int descriptor) const {
  auto words = loader.empty() ? std::vector<std::string>{name} : loader;
  words.emplace_back(mark);
  words.push_back(std::to_string(descriptor));
  return words;
}

// Only a program without interpreter has no base of one: it is static, or it is the linker.
void this_process::note_loader(int argc) {
  const auto given = static_cast<std::size_t>(argc);
  if (::getauxval(AT_BASE) != 0 || argc < 1)
    return;
  const auto program = file_of_program();
  auto words = words_of_command();
  if (program.empty() || is_what_runs(program) || words.size() <= given)
    return;
  words.resize(words.size() - given + 1); // up to the program's own word
  words.back() = program;
  loader = std::move(words);
}

} // namespace bulkhead::runtime
