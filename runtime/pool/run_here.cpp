#include "runtime/pool/run_here.hpp"

#include "runtime/crash/throw_place.hpp"
#include "runtime/outcome/failure_wire.hpp"

#include <utility>

namespace bulkhead::runtime {

ran_here run_here(const detail::function_ref& stub, const detail::buffer& body,
                  std::uint32_t callable_bytes, std::span<const std::byte> args) {
  ran_here ran;
  const auto call = [&] {
    detail::reader callable{body.bytes().first(callable_bytes), detail::reader_limits::trusted()};
    detail::reader in{args, detail::reader_limits::trusted()};
    callable.bring(body.descriptors());
    in.bring(body.descriptors());
    detail::stub_at(stub)(callable, in, ran.result);
  };
  try {
    noting_throw(call);
  } catch (...) {
    ran.failed = describe_current_exception();
    ran.failed->thrown_at = noted_throw();
  }
  return ran;
}

void deliver(detail::task_sink& sink, std::uint64_t item, detail::buffer&& result) noexcept {
  if (result.descriptors() != nullptr)
    sink.on_large_value(item, std::move(result));
  else
    sink.on_value(item, result.bytes());
}

} // namespace bulkhead::runtime
