#include "tools/look/live_stack.hpp"

#include <cxxabi.h>
#include <elfutils/libdwfl.h>

#include <cstdlib>
#include <memory>
#include <stdexcept>

#include <fmt/format.h>

namespace bulkhead::command {

namespace {

constexpr int most_frames = 64;

struct end_session {
  void operator()(Dwfl* session) const noexcept { ::dwfl_end(session); }
};

/// What the walk of one process writes to.
struct walk {
  Dwfl* session;
  std::string text;
  int frames = 0;
};

std::string demangled(const char* name) {
  if (name == nullptr)
    return "??";
  int status = 0;
  char* text = abi::__cxa_demangle(name, nullptr, nullptr, &status);
  std::string full = status == 0 && text != nullptr ? text : name;
  std::free(text); // NOLINT(cppcoreguidelines-no-malloc): __cxa_demangle's own
  return full;
}

std::string place_of(Dwfl_Module* module, Dwarf_Addr at) {
  int line = 0;
  auto* found = module == nullptr ? nullptr : ::dwfl_module_getsrc(module, at);
  const char* file =
    found == nullptr ? nullptr : ::dwfl_lineinfo(found, nullptr, &line, nullptr, nullptr, nullptr);
  return file == nullptr ? "" : fmt::format(" at {}:{}", file, line);
}

int on_frame(Dwfl_Frame* frame, void* context) {
  auto& w = *static_cast<walk*>(context);
  Dwarf_Addr pc = 0;
  bool activation = false;
  if (!::dwfl_frame_pc(frame, &pc, &activation) || w.frames >= most_frames)
    return DWARF_CB_ABORT;
  const auto at = activation ? pc : pc - 1; // of the call, not of what it returns to
  auto* module = ::dwfl_addrmodule(w.session, at);
  const char* name = module == nullptr ? nullptr : ::dwfl_module_addrname(module, at);
  w.text += fmt::format("  #{:<2} {}{}\n", w.frames++, demangled(name), place_of(module, at));
  return DWARF_CB_OK;
}

int on_thread(Dwfl_Thread* thread, void* context) {
  auto& w = *static_cast<walk*>(context);
  w.text += fmt::format("thread {}:\n", ::dwfl_thread_tid(thread));
  w.frames = 0;
  ::dwfl_thread_getframes(thread, on_frame, context); // what was found until it failed counts
  return DWARF_CB_OK;
}

[[noreturn]] void refuse(pid_t process) {
  throw std::runtime_error(fmt::format(
    "the stack of process {} cannot be read: {}; it must be a process of yours that nobody traces, "
    "and where /proc/sys/kernel/yama/ptrace_scope is not 0 this takes root",
    process, ::dwfl_errmsg(-1)));
}

} // namespace

std::string live_stack(pid_t process) {
  char* no_path = nullptr;
  const Dwfl_Callbacks callbacks{&::dwfl_linux_proc_find_elf, &::dwfl_build_id_find_debuginfo,
                                 nullptr, &no_path};
  const std::unique_ptr<Dwfl, end_session> session{::dwfl_begin(&callbacks)};
  if (!session || ::dwfl_linux_proc_report(session.get(), process) != 0
      || ::dwfl_report_end(session.get(), nullptr, nullptr) != 0
      || ::dwfl_linux_proc_attach(session.get(), process, false) != 0)
    refuse(process);
  walk w{session.get(), {}, 0};
  ::dwfl_getthreads(session.get(), on_thread, &w);
  if (w.text.find('#') == std::string::npos)
    refuse(process);
  return w.text;
}

} // namespace bulkhead::command
