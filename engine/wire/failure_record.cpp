#include "engine/wire/failure_record.hpp"

#include "runtime/outcome/failure_wire.hpp"

#include <bulkhead/error.hpp>

namespace bulkhead::engine {

namespace {

struct record {
  std::uint32_t kind = 0;
  std::uint32_t cause = 0;
  std::int32_t code = 0;
  std::int32_t signal = 0;
  std::int32_t worker = 0;
  bool may_have_executed = false;
  std::string message;
  std::string type;
  std::string backtrace;
  std::string last_output;
  std::vector<std::uint64_t> thrown_at;

  template <class Inspector>
  friend auto inspect(Inspector& f, record& x) {
    return f(x.kind, x.cause, x.code, x.signal, x.worker, x.may_have_executed, x.message, x.type,
             x.backtrace, x.last_output, x.thrown_at);
  }
};

} // namespace

packed_bytes encode_record(const failure& f) {
  const record r{static_cast<std::uint32_t>(f.kind),
                 static_cast<std::uint32_t>(f.exit.cause),
                 f.exit.code,
                 f.exit.signal,
                 f.worker,
                 f.may_have_executed,
                 f.message,
                 f.type,
                 f.backtrace,
                 f.last_output,
                 runtime::numbers_of(f.thrown_at)};
  detail::buffer out;
  detail::encode(out, r);
  return {out.data(), out.data() + out.size()};
}

std::optional<failure> decode_record(std::span<const std::byte> from) try {
  detail::reader in{from};
  auto r = detail::decode<record>(in);
  in.expect_end();
  if (r.kind > static_cast<std::uint32_t>(failure_kind::config)
      || r.cause > static_cast<std::uint32_t>(exit_cause::node_lost))
    return std::nullopt;
  failure f;
  f.kind = static_cast<failure_kind>(r.kind);
  f.exit = {r.code, r.signal, static_cast<exit_cause>(r.cause)};
  f.worker = r.worker;
  f.may_have_executed = r.may_have_executed;
  f.message = runtime::printable(r.message);
  f.type = runtime::printable(r.type);
  f.backtrace = runtime::printable(r.backtrace);
  f.last_output = runtime::printable(r.last_output);
  f.thrown_at = runtime::trace_of(r.thrown_at);
  return f;
} catch (const codec_error&) {
  return std::nullopt;
}

} // namespace bulkhead::engine
