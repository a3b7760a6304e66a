#include "actors/worker/actor_worker_settings.hpp"

namespace bulkhead::actors {

std::vector<std::byte> encode_settings(const worker_settings& settings) {
  detail::buffer out;
  detail::encode(out, settings);
  return {out.data(), out.data() + out.size()};
}

worker_settings decode_settings(std::span<const std::byte> bytes) {
  detail::reader in{bytes};
  auto settings = detail::decode<worker_settings>(in);
  in.expect_end();
  return settings;
}

} // namespace bulkhead::actors
