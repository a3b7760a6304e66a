// What is common to the programs of one executable:
//   field_X list      name, notes and expectation of each, with tabs between
//   field_X NAME      runs one and prints what it saw
#include "tests/field/program.hpp"

#include <bulkhead/init.hpp>

#include <cstdio>
#include <cstring>
#include <exception>

namespace bulkhead::field {

std::vector<program>& programs() {
  static std::vector<program> all;
  return all;
}

std::vector<std::string>& arguments() {
  static std::vector<std::string> all;
  return all;
}

} // namespace bulkhead::field

namespace {

int list() {
  for (const auto& p : bulkhead::field::programs())
    std::printf("%s\t%s\t%s\n", p.name, *p.notes != '\0' ? p.notes : "-", p.expected);
  return 0;
}

int run(const bulkhead::field::program& p) {
  std::string seen;
  try {
    seen = p.run();
  } catch (const std::exception& e) {
    seen = std::string("threw ") + e.what();
  }
  std::printf("%s\n", seen.c_str());
  return 0;
}

} // namespace

int main(int argc, char** argv) {
  bulkhead::init(argc, argv);
  const char* wanted = argc > 1 ? argv[1] : "list";
  for (int i = 2; i < argc; ++i)
    bulkhead::field::arguments().emplace_back(argv[i]);
  if (std::strcmp(wanted, "list") == 0)
    return list();
  for (const auto& p : bulkhead::field::programs())
    if (std::strcmp(p.name, wanted) == 0)
      return run(p);
  std::fprintf(stderr, "%s: no such program; try list\n", wanted);
  return 2;
}
