#pragma once

#include <bulkhead/detail/buffer.hpp>
#include <bulkhead/detail/duration.hpp>
#include <bulkhead/detail/item_run.hpp>
#include <bulkhead/detail/ship.hpp>
#include <bulkhead/error.hpp>
#include <bulkhead/options.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <type_traits>

namespace bulkhead::detail {

/// The encoded results of items that follow one another, one behind the other.
struct result_column {
  byte_block bytes;
  std::size_t size = 0;
  std::uint32_t items = 0;
  std::uint64_t width = varying; ///< of each result, in bytes

  static constexpr std::uint64_t varying = UINT64_MAX; ///< each has its 32-bit length before it

  /// Calls f(std::span<const std::byte>) for each result. Where each has its length, whoever made
  /// the column has seen that they fit.
  template <class F>
  void for_each(F&& f) const {
    const auto* at = bytes.get();
    for (std::uint32_t i = 0; i < items; ++i) {
      auto length = static_cast<std::size_t>(width);
      if (width == varying) {
        std::uint32_t narrow = 0;
        std::memcpy(&narrow, at, sizeof narrow);
        at += sizeof narrow;
        length = narrow;
      }
      f(std::span{at, length});
      at += length;
    }
  }
};

/// Takes the outcomes of one unit of work, each item's exactly once. Called under the pool's lock:
/// implementations only store and notify; they run no user code.
class task_sink {
public:
  virtual ~task_sink() = default;
  virtual void on_value(std::uint64_t item, std::span<const std::byte> result) noexcept = 0;
  virtual void on_failure(std::uint64_t item, failure&& f) noexcept = 0;
  /// The same as on_value for bytes that need not be copied again, and for those with descriptors
  /// (a sink without its own gets them without).
  virtual void on_large_value(std::uint64_t item, buffer&& result) noexcept {
    on_value(item, result.bytes());
  }

  /// The same as on_value for each of them, from `first` on.
  virtual void on_column(std::uint64_t first, result_column&& results) noexcept {
    results.for_each([&](std::span<const std::byte> result) { on_value(first++, result); });
  }

  /// The pool keeps the unit at `place`, null once it has no unanswered item. Under the pool's
  /// lock.
  virtual void placed(void* /*place*/, std::uint64_t /*id*/) noexcept {}

  /// These items were cut off and are kept at `place` now. Under the pool's lock.
  virtual void moved(void* /*place*/, std::uint64_t /*first*/, std::uint64_t /*items*/) noexcept {}
  /// Whether the outcome of that item goes to `one`.
  virtual bool tells(const task_sink& one, std::uint64_t /*item*/) const noexcept {
    return this == &one;
  }

  /// What the pool learns about the items, to size the chunks of the rest.
  std::atomic<std::uint32_t> mean_item_ns{0}; ///< 0: unknown
  std::atomic<std::uint32_t> units_made{0};
  std::atomic<bool> began{false}; ///< an item has run, or its worker died of it
};

/// One unit of work on its way into a pool: a callable and the arguments of `items` calls.
/// `body` holds the encoded callable (`callable_bytes`), then for each item the encoded arguments:
/// `item_bytes` of them, or a 32-bit length before them.
struct work {
  function_ref stub;
  function_ref loop; ///< a loop_fn for several items at once; {0, 0}: none
  buffer body;
  std::uint32_t callable_bytes = 0;
  std::uint32_t item_bytes = varying_bytes;   ///< of each item's arguments
  std::uint32_t result_bytes = varying_bytes; ///< of each item's result
  std::uint32_t items = 0;
  std::uint64_t first_item = 0; ///< what the sink calls the first item
  std::shared_ptr<task_sink> sink;
  std::shared_ptr<const task_options> options; ///< null: the pool's defaults
  bool single = false;                         ///< the sink has this item and no other
  bool broadcast = false;                      ///< `worker` says where it must run
  std::size_t worker = 0;
  time_point room_until = time_point::max(); ///< a full backlog is not waited for longer
};

/// Appends one item to the body of a unit of work: what `encode` writes to the buffer that it is
/// given. Throws too_large beyond 4 GiB.
template <class Encode>
void add_encoded_item(work& w, Encode encode) {
  if (w.item_bytes != varying_bytes) {
    encode(w.body);
    ++w.items;
    return;
  }
  const auto at = w.body.size();
  w.body.grow(sizeof(std::uint32_t));
  encode(w.body);
  const auto length = w.body.size() - at - sizeof(std::uint32_t);
  if (length > UINT32_MAX)
    throw too_large("the arguments of one task exceed 4 GiB: " + std::to_string(length)
                    + " bytes; pass a file or shared memory instead");
  const auto narrow = static_cast<std::uint32_t>(length);
  std::memcpy(w.body.data() + at, &narrow, sizeof narrow);
  ++w.items;
}

/// The same with these arguments.
template <class... Args>
void add_item(work& w, const Args&... args) {
  add_encoded_item(w, [&](buffer& out) { encode_args(out, args...); });
}

/// A unit of work without items yet.
template <class F, class... Args>
work make_work(const F& f, const function_ref& stub = stub_ref<F, Args...>()) {
  work w;
  w.stub = stub;
  encode_callable(w.body, f);
  if (w.body.size() > UINT32_MAX)
    throw too_large("the function object has more than 4 GiB: " + std::to_string(w.body.size())
                    + " bytes; pass a file or shared memory instead");
  w.callable_bytes = static_cast<std::uint32_t>(w.body.size());
  return w;
}

} // namespace bulkhead::detail
