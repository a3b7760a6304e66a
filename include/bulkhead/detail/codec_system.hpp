#pragma once

#include <bulkhead/detail/codec_containers.hpp>

#include <filesystem>
#include <string>
#include <system_error>

namespace bulkhead::detail {

/// The native spelling, any bytes.
template <>
struct coder<std::filesystem::path> {
  using text = coder<std::filesystem::path::string_type>;
  static constexpr bool supported = true;
  static constexpr std::size_t least_bytes = text::least_bytes;

  static void write(buffer& out, const std::filesystem::path& value) {
    text::write(out, value.native());
  }
  static std::filesystem::path read(reader& in) { return {text::read(in)}; }
};

/// Categories are objects of one process: only those that each process has can travel.
template <>
struct coder<std::error_code> {
  static constexpr bool supported = true;
  static constexpr std::size_t least_bytes = 1 + sizeof(int);

  static void write(buffer& out, const std::error_code& value) {
    const bool is_system = value.category() == std::system_category();
    if (!is_system && value.category() != std::generic_category())
      throw_unencodable(typeid(value), std::string("its category '") + value.category().name()
                                         + "' is neither system nor generic");
    coder<bool>::write(out, is_system);
    coder<int>::write(out, value.value());
  }
  static std::error_code read(reader& in) {
    const bool is_system = coder<bool>::read_flag(in, typeid(std::error_code));
    const auto number = coder<int>::read(in);
    return {number, is_system ? std::system_category() : std::generic_category()};
  }
};

} // namespace bulkhead::detail
