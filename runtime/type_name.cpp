#include <bulkhead/detail/type_name.hpp>

#include <cstdlib>
#include <memory>

#include <cxxabi.h>

namespace bulkhead::detail {
namespace {

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (auto at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
}

} // namespace

std::string type_name(const std::type_info& type) {
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> name{
    abi::__cxa_demangle(type.name(), nullptr, nullptr, &status), std::free};
  std::string text = status == 0 && name ? name.get() : type.name();
  replace_all(text, "std::__cxx11::basic_string<char, std::char_traits<char>, std::allocator<char> >",
              "std::string");
  replace_all(text, "std::__cxx11::", "std::");
  return text;
}

} // namespace bulkhead::detail
