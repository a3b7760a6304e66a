#include <bulkhead/decoding.hpp>
#include <bulkhead/detail/reader.hpp>
#include <bulkhead/error.hpp>

#include <string>

namespace bulkhead {

namespace {

void expect_at_most(const char* member, std::size_t value, std::size_t most) {
  if (value > most)
    throw config_error(std::string{"decoding_limits::"} + member + " is " + std::to_string(value)
                       + "; allowed: up to " + std::to_string(most));
}

} // namespace

void limit_decoding(const decoding_limits& limits) {
  constexpr auto most = std::size_t{1} << 48;
  expect_at_most("memory_bytes", limits.memory_bytes, most);
  expect_at_most("memory_factor", limits.memory_factor, std::size_t{1} << 16);
  expect_at_most("elements", limits.elements, most);
  auto& now = detail::decoding_now;
  // Relaxed, all of them: see decoding_settings.
  now.memory_bytes.store(limits.memory_bytes, std::memory_order_relaxed);
  now.memory_factor.store(limits.memory_factor, std::memory_order_relaxed);
  now.elements.store(limits.elements, std::memory_order_relaxed);
  now.looks.store(limits.looks, std::memory_order_relaxed);
}

decoding_limits current_decoding_limits() noexcept {
  const auto& now = detail::decoding_now;
  // Relaxed, all of them: see decoding_settings.
  const auto read = [](const auto& one) { return one.load(std::memory_order_relaxed); };
  return {read(now.memory_bytes), read(now.memory_factor), read(now.elements), read(now.looks)};
}

} // namespace bulkhead
