#include "runtime/worker/worker_config.hpp"

namespace bulkhead::runtime {

std::vector<std::byte> encode_config(const worker_config& config) {
  detail::buffer out;
  detail::encode(out, config);
  return {out.data(), out.data() + out.size()};
}

worker_config decode_config(std::span<const std::byte> bytes) {
  detail::reader in{bytes, detail::reader_limits::trusted()};
  auto config = detail::decode<worker_config>(in);
  in.expect_end();
  return config;
}

} // namespace bulkhead::runtime
