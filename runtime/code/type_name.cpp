#include <bulkhead/detail/type_name.hpp>

#include <cstdlib>
#include <memory>
#include <string_view>

#include <cxxabi.h>

namespace bulkhead::detail {
namespace {

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (auto at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
}

/// Where the bracket that opens before `at` closes.
std::size_t closing(const std::string& text, std::size_t at) {
  for (int depth = 1; at < text.size(); ++at) {
    depth += text[at] == '<' ? 1 : text[at] == '>' ? -1 : 0;
    if (depth == 0)
      return at;
  }
  return text.size();
}

/// Leaves out arguments of containers that everybody leaves out.
void drop_argument(std::string& text, std::string_view argument) {
  for (auto at = text.find(argument); at != std::string::npos; at = text.find(argument, at)) {
    const auto end = closing(text, at + argument.size());
    text.erase(at, end + 1 - at);
  }
}

} // namespace

std::string type_name(const std::type_info& type) {
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> name{
    abi::__cxa_demangle(type.name(), nullptr, nullptr, &status), std::free};
  std::string text = status == 0 && name ? name.get() : type.name();
  replace_all(text, "__cxx11::", "");
  replace_all(text, "std::basic_string<char, std::char_traits<char>, std::allocator<char> >",
              "std::string");
  for (const auto* argument :
       {", std::allocator<", ", std::less<", ", std::hash<", ", std::equal_to<"})
    drop_argument(text, argument);
  replace_all(text, " >", ">");
  return text;
}

} // namespace bulkhead::detail
