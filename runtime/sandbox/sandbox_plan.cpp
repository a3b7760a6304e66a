#include "runtime/sandbox/sandbox_plan.hpp"

namespace bulkhead::runtime::sandbox {

const char* name_of(feature f) noexcept {
  switch (f) {
  case feature::system_calls:
    return "seccomp";
  case feature::files:
    return "landlock";
  case feature::ports:
    return "landlock_ports";
  case feature::signals:
    return "landlock_signals";
  case feature::capabilities:
    return "capabilities_dropped";
  case feature::environment:
    return "environment_emptied";
  case feature::own_user:
    return "own_user";
  case feature::count_:
    break;
  }
  return "invalid";
}

std::vector<std::byte> encode_plan(const sandbox_plan& plan) {
  detail::buffer out;
  detail::encode(out, plan);
  return {out.data(), out.data() + out.size()};
}

sandbox_plan decode_plan(std::span<const std::byte> bytes) {
  detail::reader in{bytes};
  auto plan = detail::decode<sandbox_plan>(in);
  in.expect_end();
  return plan;
}

} // namespace bulkhead::runtime::sandbox
