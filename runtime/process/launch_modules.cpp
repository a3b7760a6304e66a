#include "runtime/process/launch_modules.hpp"

#include "runtime/code/module.hpp"
#include "runtime/system/launch_error.hpp"

#include <cstdint>
#include <cstring>
#include <string>

namespace bulkhead::runtime {

namespace {

template <class T>
void append_value(std::vector<std::byte>& to, T value) {
  const auto bytes = std::as_bytes(std::span{&value, 1});
  to.insert(to.end(), bytes.begin(), bytes.end());
}

[[noreturn]] void bad_table() {
  throw launch_error{"the launch request's table of modules is cut short"};
}

template <class T>
T take_value(std::span<const std::byte>& from) {
  T value{};
  if (from.size() < sizeof value)
    bad_table();
  std::memcpy(&value, from.data(), sizeof value);
  from = from.subspan(sizeof value);
  return value;
}

} // namespace

std::vector<std::byte> encode_modules() {
  std::vector<std::byte> table;
  for (const auto& module : loaded_modules()) {
    append_value(table, module.id);
    append_value(table, static_cast<std::uint32_t>(module.path.size()));
    const auto path = std::as_bytes(std::span{module.path});
    table.insert(table.end(), path.begin(), path.end());
  }
  return table;
}

void set_modules(std::span<const std::byte> table) {
  std::vector<known_module> modules;
  while (!table.empty()) {
    const auto id = take_value<std::uint64_t>(table);
    const auto bytes = take_value<std::uint32_t>(table);
    if (table.size() < bytes)
      bad_table();
    modules.push_back({id, {reinterpret_cast<const char*>(table.data()), bytes}});
    table = table.subspan(bytes);
  }
  set_known_modules(std::move(modules));
}

} // namespace bulkhead::runtime
