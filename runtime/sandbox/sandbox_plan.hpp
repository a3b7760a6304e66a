#pragma once

#include <bulkhead/detail/buffer.hpp>
#include <bulkhead/detail/codec.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace bulkhead::runtime::sandbox {

/// Parts of a sandbox, each of which may be asked for, and may be missing here.
enum class feature : std::uint8_t {
  system_calls, ///< a seccomp filter
  files,        ///< Landlock
  ports,        ///< Landlock
  signals,      ///< Landlock's scopes: signals and abstract sockets
  capabilities, ///< none left
  environment,  ///< emptied
  own_user,
  count_,
};
inline constexpr auto features = static_cast<std::size_t>(feature::count_);

constexpr std::uint32_t bit_of(feature f) noexcept {
  return std::uint32_t{1} << static_cast<unsigned>(f);
}

/// The name in the isolation report.
const char* name_of(feature f) noexcept;

struct path_rule {
  std::string path; ///< absolute
  std::uint64_t access = 0;

  template <class Inspector>
  friend auto inspect(Inspector& f, path_rule& x) {
    return f(x.path, x.access);
  }
};

/// A policy as a worker applies it: made by the host, read by a worker that trusts it.
struct sandbox_plan {
  std::uint32_t asked = 0; ///< bits of the features
  std::vector<path_rule> paths;
  std::vector<std::uint16_t> ports;
  std::vector<std::byte> filter;        ///< sock_filter array, with own_pid in it
  std::vector<std::byte> late_filter;   ///< comes down when the library's thread has begun
  std::vector<std::string> environment; ///< names that stay; a last '*' stands for any rest
  std::uint32_t first_user = 0;
  bool single_threaded = false;
  bool require = false;
  bool audit = false; ///< nothing is closed: the filter asks the host about each call

  template <class Inspector>
  friend auto inspect(Inspector& f, sandbox_plan& x) {
    return f(x.asked, x.paths, x.ports, x.filter, x.late_filter, x.environment, x.first_user,
             x.single_threaded, x.require, x.audit);
  }
};

std::vector<std::byte> encode_plan(const sandbox_plan& plan);
sandbox_plan decode_plan(std::span<const std::byte> bytes);

} // namespace bulkhead::runtime::sandbox
