#include "runtime/crash/trace_text.hpp"

#include "runtime/code/fork_gate.hpp"
#include "runtime/code/module_scan.hpp"
#include "runtime/crash/symbol_file.hpp"
#include "runtime/outcome/failure_wire.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <map>
#include <mutex>
#include <string_view>
#include <utility>
#include <vector>

// Code addresses as text. They are another process's word and only looked up, in files that this
// process has loaded itself. It takes its time, so no lock of a pool is held.
namespace bulkhead::runtime {

namespace {

using clock = std::chrono::steady_clock;
using frame = code_trace::frame;

constexpr std::chrono::milliseconds time_budget{200};

std::string address_text(std::uint64_t number) {
  std::array<char, 20> text{};
  std::snprintf(text.data(), text.size(), "0x%016llx", static_cast<unsigned long long>(number));
  return text.data();
}

std::string file_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }

/// Descriptions of code places, kept for the life of the process. Files are open only while one
/// report is made, so nothing is held between crashes but text.
class places {
public:
  static places& instance() {
    static auto& all = *new places; // outlives threads that still run at exit
    return all;
  }

  std::vector<std::string> describe(std::span<const frame> frames) {
    const fork_gate::pass own_pass;
    const std::lock_guard lock{mutex_};
    std::vector<std::string> texts(frames.size());
    if (describe_known(frames, texts))
      return texts;
    const auto deadline = clock::now() + time_budget;
    const auto modules = scan_modules();
    std::map<std::uint64_t, symbol_file> open;
    // The program first: if time runs out, then among the libraries.
    const auto program = modules.empty() ? 0 : modules.front().id;
    for (const bool own : {true, false})
      for (std::size_t i = 0; i < frames.size(); ++i)
        if ((frames[i].module == program) == own)
          texts[i] = describe_one(frames[i], modules, open, deadline);
    return texts;
  }

private:
  using key = std::pair<std::uint64_t, std::uint64_t>;
  static constexpr std::size_t max_cached = 1024;

  /// False: one of them has not been seen before.
  bool describe_known(std::span<const frame> frames, std::vector<std::string>& to) const {
    for (std::size_t i = 0; i < frames.size(); ++i) {
      const auto known = cache_.find({frames[i].module, frames[i].offset});
      if (known == cache_.end())
        return false;
      to[i] = known->second;
    }
    return true;
  }

  std::string describe_one(const frame& f, const std::vector<loaded_module>& modules,
                           std::map<std::uint64_t, symbol_file>& open, clock::time_point deadline) {
    const key place{f.module, f.offset};
    if (const auto known = cache_.find(place); known != cache_.end())
      return known->second;
    const auto module =
      std::find_if(modules.begin(), modules.end(), [&](const auto& m) { return m.id == f.module; });
    if (f.module == 0 || module == modules.end())
      return f.module == 0 ? "in no known module" : "in a module that the host has not loaded";
    const bool in_time = clock::now() < deadline;
    std::string text;
    if (const auto file = open.find(f.module); file != open.end() || in_time)
      text = file_of(*module, module == modules.begin(), open).describe(f.offset, in_time);
    text = printable(text.empty() ? "?" : text) + " in " + printable(file_name(module->path)) + '+'
           + short_hex(f.offset);
    if (!in_time)
      return text;
    // Emptied as a whole: crashes that repeat fill it again at once.
    if (cache_.size() >= max_cached)
      cache_.clear();
    return cache_.emplace(place, std::move(text)).first->second;
  }

  static std::string short_hex(std::uint64_t number) {
    std::array<char, 20> text{};
    std::snprintf(text.data(), text.size(), "0x%llx", static_cast<unsigned long long>(number));
    return text.data();
  }

  // The program is opened as the kernel knows it: also when it was replaced on disk.
  static symbol_file& file_of(const loaded_module& module, bool is_program,
                              std::map<std::uint64_t, symbol_file>& open) {
    if (is_program)
      return open.try_emplace(module.id, "/proc/self/exe", module.id, debug_files::search)
        .first->second;
    return open.try_emplace(module.id, module.path, module.id, debug_files::ignore).first->second;
  }

  std::mutex mutex_;
  std::map<key, std::string> cache_;
};

/// "#3 0x... text", for each line of the text.
void add_frame(std::string& to, std::size_t number, std::uint64_t address, std::string_view text) {
  const auto start =
    '#' + std::to_string(number) + (number < 10 ? "  " : " ") + address_text(address) + ' ';
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    to.append(start).append(text.substr(0, end)).append(1, '\n');
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

/// Without those of the worker itself, which called the task through a stub.
std::size_t frames_of_task(const std::vector<std::string>& texts) {
  const auto stub = std::find_if(texts.rbegin(), texts.rend(), [](const std::string& text) {
    return text.find("bulkhead::detail::stub<") != std::string::npos;
  });
  return stub == texts.rend() ? texts.size() : static_cast<std::size_t>(texts.rend() - stub);
}

/// Without those of the machinery that was throwing.
std::size_t frames_of_throw(const std::vector<std::string>& texts) {
  constexpr std::size_t most = 8; // on top of the code that threw
  std::size_t first = 0;
  for (std::size_t i = 0; i < std::min(texts.size(), most); ++i)
    for (const auto* part : {"_Unwind_", "__cxa_throw", "__cxa_rethrow", "rethrow_exception"})
      if (texts[i].find(part) != std::string::npos)
        first = i + 1;
  return first;
}

std::string text_of(std::span<const frame> frames, bool thrown) {
  if (frames.empty())
    return {};
  const auto texts = places::instance().describe(frames);
  const auto count = frames_of_task(texts);
  const auto first = thrown ? frames_of_throw(texts) : 0;
  std::string trace;
  for (std::size_t i = first; i < count;) {
    auto last = i; // of a recursion through the same place
    while (last + 1 < count && texts[last + 1] == texts[i])
      ++last;
    const auto before = trace.size();
    add_frame(trace, i - first, frames[i].address, texts[i]);
    if (last > i + 1)
      trace += "     the same " + std::to_string(last - i) + " times more\n";
    else if (last == i + 1)
      add_frame(trace, last - first, frames[last].address, texts[last]);
    if (trace.size() > max_text_bytes) {
      trace.erase(before);
      return trace + "[... cut]\n";
    }
    i = last + 1;
  }
  return trace;
}

} // namespace

std::string trace_text(std::span<const frame> frames) { return text_of(frames, false); }

std::string throw_text(std::span<const frame> frames) { return text_of(frames, true); }

} // namespace bulkhead::runtime
