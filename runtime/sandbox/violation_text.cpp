#include "runtime/sandbox/violation_text.hpp"

#include "runtime/sandbox/call_names.hpp"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <string_view>
#include <utility>

namespace bulkhead::runtime::sandbox {

namespace {

using arguments = std::array<std::uint64_t, 6>;

struct remedy {
  std::string_view calls; ///< names with a space around each
  std::string_view text;
};

constexpr remedy remedies[] = {
  {" open openat openat2 stat lstat newfstatat statx access faccessat faccessat2 readlink "
   "readlinkat "
   "getdents getdents64 chdir fchdir getcwd ",
   "sandbox.read with the file or its folder"},
  {" creat truncate ftruncate fallocate mkdir mkdirat rmdir unlink unlinkat rename renameat "
   "renameat2 "
   "link linkat symlink symlinkat mknod mknodat ",
   "sandbox.write with its folder"},
  {" socket connect ", "sandbox.connect with the port, for TCP alone"},
  {" execve execveat fork vfork wait4 ", "sandbox.exec with the program"},
  {" clone ", "sandbox.threads for a thread, sandbox.exec for a process"},
  {" mmap mprotect ", "sandbox.executable_memory"},
};

std::string text_of(std::uint64_t number) {
  if (number < 65536 || number > ~std::uint64_t{0} - 4096)
    return std::to_string(static_cast<std::int64_t>(number));
  std::array<char, 20> text{};
  const auto end = std::to_chars(text.begin(), text.end(), number, 16).ptr;
  return "0x" + std::string{text.begin(), end};
}

std::string remedy_for(const std::string& name) {
  const auto word = ' ' + name + ' ';
  const auto* found = std::ranges::find_if(
    remedies, [&](const remedy& each) { return each.calls.find(word) != std::string_view::npos; });
  if (found != std::end(remedies))
    return std::string{found->text};
  if (name.find(' ') != std::string::npos)
    return "no member of the sandbox, because this build does not know its name,";
  return "sandbox.allow_syscalls with \"" + name + "\"";
}

} // namespace

policy_violation violation_of(long number, const arguments& given, std::string target) {
  policy_violation made;
  made.call = call_name(number);
  made.arguments = given;
  made.target = std::move(target);
  made.remedy = remedy_for(made.call);
  return made;
}

std::string call_text(const policy_violation& v) {
  std::string text = v.call + '(';
  if (!v.target.empty())
    return text + '"' + v.target + "\")";
  for (const auto each : v.arguments)
    text += (text.back() == '(' ? "" : ", ") + text_of(each);
  return text + ')';
}

std::string violation_text(const policy_violation& v) {
  if (v.call.empty())
    return "it could not say which: signals were blocked, as libc does while it starts a thread "
           "(sandbox.threads would allow it) or a program (sandbox.exec), or it was a call of "
           "another architecture (32-bit, x32)";
  return "it made the system call " + call_text(v) + ", which its sandbox forbids; " + v.remedy
         + " would allow it";
}

} // namespace bulkhead::runtime::sandbox
