// What a worker says about a failed item, and what it may have left in its flight recorder.
#include "runtime/outcome/failure_wire.hpp"
#include "tests/fuzz/require.hpp"

#include <bulkhead/failure.hpp>

#include <cstdint>

using namespace bulkhead;
using namespace bulkhead::runtime;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  failure f;
  if (!decode_failure(std::as_bytes(std::span(data, size)), f))
    return 0;
  require(is_printable(f.type) && is_printable(f.message));
  require(is_printable(to_string(f)));
  detail::buffer again;
  encode_failure(again, f);
  failure same;
  require(decode_failure(again.bytes(), same));
  require(same.kind == f.kind && same.may_have_executed == f.may_have_executed);
  return 0;
}
