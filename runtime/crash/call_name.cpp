#include "runtime/code/fork_gate.hpp"
#include "runtime/code/module_scan.hpp"
#include "runtime/crash/symbol_file.hpp"

#include <bulkhead/detail/onlooker.hpp>
#include <bulkhead/detail/task_entry.hpp>
#include <bulkhead/error.hpp>

#include <algorithm>
#include <mutex>
#include <string_view>

namespace bulkhead::detail {

namespace {

std::string symbol_of(const function_ref& code) {
  static std::mutex one_at_a_time; // the files are not for two threads
  const runtime::fork_gate::pass own_pass;
  const std::lock_guard lock{one_at_a_time};
  const auto modules = runtime::scan_modules();
  const auto found = std::find_if(modules.begin(), modules.end(),
                                  [&](const auto& m) { return m.id == code.module; });
  if (found == modules.end())
    return {};
  // The program is opened as the kernel knows it: also when it was replaced on disk.
  const auto path = found == modules.begin() ? std::string{"/proc/self/exe"} : found->path;
  return runtime::symbol_file{path, code.module, runtime::debug_files::ignore}.describe(code.offset,
                                                                                        false);
}

/// "count(int)" without its arguments; "(anonymous namespace)::" says nothing to a reader.
std::string shortened(std::string name) {
  constexpr std::string_view anonymous = "(anonymous namespace)::";
  for (auto at = name.find(anonymous); at != std::string::npos; at = name.find(anonymous))
    name.erase(at, anonymous.size());
  if (const auto lambda = name.find("{lambda"); lambda != std::string::npos) {
    const auto around = name.substr(0, name.find('('));
    return around.substr(0, around.find("::{lambda")) + "::lambda";
  }
  return name.substr(0, name.find('('));
}

/// The second argument of "stub<how, callable, arguments...>::run": the callable's type.
std::string callable_in(const std::string& stub) {
  const auto list = stub.find("stub<");
  auto from = list == std::string::npos ? list : stub.find(", ", list);
  if (from == std::string::npos)
    return {};
  from += 2;
  int depth = 0;
  auto to = from;
  for (; to < stub.size(); ++to) {
    const char c = stub[to];
    if (depth == 0 && (c == ',' || c == '>'))
      break;
    depth += c == '<' || c == '(' || c == '{' ? 1 : c == '>' || c == ')' || c == '}' ? -1 : 0;
  }
  return stub.substr(from, to - from);
}

std::string registered_name(const function_ref& function) {
  for (const auto* task : all_tasks())
    if (to_ref(task->function) == function)
      return std::string{task->name};
  return {};
}

} // namespace

std::string name_of(const called& what) {
  std::string name;
  try {
    if (what.function.module != 0)
      name = registered_name(what.function);
    if (name.empty() && what.function.module != 0)
      name = shortened(symbol_of(what.function));
    if (name.empty())
      name = shortened(callable_in(symbol_of(what.stub)));
  } catch (const error&) { // a name registered twice, a library that is gone
  }
  return name.empty() ? "task" : name;
}

} // namespace bulkhead::detail
