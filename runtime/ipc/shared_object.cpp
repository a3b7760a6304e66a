#include <bulkhead/detail/shared_object.hpp>
#include <bulkhead/error.hpp>

#include <cstring>

namespace bulkhead::detail {

shared_object::shared_object(shared_kind kind, const char* name, std::size_t bytes)
  : segment_(shared_segment::make(name, bytes)), memory_(segment_.data()) {
  std::memcpy(memory_, &kind, sizeof kind);
}

shared_object::shared_object(arrived_t, shared_kind kind, shared_segment segment)
  : segment_(std::move(segment)), memory_(segment_.data()) {
  shared_kind found{};
  if (segment_)
    std::memcpy(&found, memory_, sizeof found);
  if (found != kind)
    throw codec_error("the shared memory that came holds another kind of object than is expected");
}

} // namespace bulkhead::detail
