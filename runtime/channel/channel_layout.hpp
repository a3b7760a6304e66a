#pragma once

#include "runtime/crash/flight_recorder.hpp"

#include <bulkhead/detail/task_sink.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace bulkhead::runtime {

// What host and worker share. Each word has one writer and its own cache line; the writer keeps a
// private copy and never reads its word back. docs/wire_format.md describes the protocol.

inline constexpr std::size_t page_bytes = 4096;

/// (sequence number, item) as one integer: seq:42 | item:20 | phase:2.
using position = std::uint64_t;

enum class claim_phase : std::uint64_t { none = 0, claimed = 1, started = 2, returned = 3 };

inline constexpr std::uint64_t max_items_per_frame = (1U << 20) - 1;
inline constexpr std::uint64_t max_sequence = (std::uint64_t{1} << 42) - 1;
inline constexpr position no_position = ~std::uint64_t{0};

constexpr position make_position(std::uint64_t seq, std::uint64_t item) noexcept {
  return seq << 22 | item << 2;
}
/// From an item's position to that of the next in its frame.
inline constexpr position item_step = 4;
constexpr std::uint64_t sequence_of(position p) noexcept { return p >> 22; }
constexpr std::uint64_t item_of(position p) noexcept { return (p >> 2) & max_items_per_frame; }
constexpr position position_of(std::uint64_t claim) noexcept { return claim & ~std::uint64_t{3}; }
constexpr claim_phase phase_of(std::uint64_t claim) noexcept {
  return static_cast<claim_phase>(claim & 3);
}
constexpr std::uint64_t make_claim(position p, claim_phase phase) noexcept {
  return p | static_cast<std::uint64_t>(phase);
}

/// Written by the host only; the worker cannot map it writable.
struct host_page {
  alignas(64) std::atomic<std::uint64_t> tail;     ///< sequence number after the last frame
  alignas(64) std::atomic<std::uint64_t> ans_head; ///< bytes of answers consumed
  alignas(64) std::atomic<position> recall;        ///< first recalled position
  alignas(64) std::atomic<std::uint32_t> bell;     ///< futex word the worker sleeps on
  alignas(64) std::atomic<std::uint32_t> h_sleep;  ///< epoch, odd while the host sleeps
  alignas(64) std::atomic<std::uint32_t> stop;     ///< 1: end when idle
  alignas(64) std::atomic<position> stop_task;     ///< this task is asked to stop; ~0: all
  alignas(64) std::atomic<std::uint32_t> watched;  ///< 1: somebody wants to hear of spans
};
static_assert(sizeof(host_page) <= page_bytes);

/// Written by the worker only; the host maps it without write access and trusts none of it.
struct worker_page {
  alignas(64) std::atomic<std::uint64_t> claim;
  alignas(64) std::atomic<std::uint64_t> ans_tail; ///< bytes of answers published
  alignas(64) std::atomic<std::uint32_t> w_sleep;  ///< epoch, odd while the worker sleeps
  alignas(64) std::atomic<std::uint64_t> beat;     ///< counts while the process is not frozen
  alignas(64) std::atomic<std::uint64_t> progress; ///< of the running task, in millionths
  alignas(64) flight_recorder recorder;
};
static_assert(sizeof(worker_page) <= page_bytes);

enum class frame_kind : std::uint16_t { task = 1 };

enum frame_flags : std::uint16_t {
  body_in_segment = 1,    ///< the body lies in argument segment `segment`
  segment_is_new = 2,     ///< its descriptor precedes this frame on the control socket
  segment_is_dropped = 4, ///< the worker unmaps it after this frame
  frame_has_parcel = 8,   ///< descriptors for the body precede it on the control socket
  answer_in_columns = 16  ///< no item has a limit: results may be published together
};

/// A request on the ring; `body_bytes` of body follow (or lie in a segment): the callable, then
/// for each item the arguments, with a 32-bit length before them unless all have the same.
struct frame_header {
  std::uint32_t size; ///< of the whole frame in the ring, a multiple of 8
  frame_kind kind;
  std::uint16_t flags;
  std::uint64_t sequence;
  std::uint64_t module; ///< of the stub
  std::uint64_t offset;
  std::uint64_t task_id; ///< of the first item
  std::int64_t deadline; ///< CLOCK_MONOTONIC ns; 0: none. Expired items do not start
  std::int64_t limit;    ///< ns an item may run; 0: none
  std::uint64_t body_bytes;
  std::uint32_t items;
  std::uint32_t callable_bytes;
  std::uint32_t attempt;
  std::uint32_t segment;
  std::uint32_t parcel;       ///< number of the parcel with its descriptors
  std::uint32_t item_bytes;   ///< of each item's arguments, or detail::varying_bytes
  std::uint32_t result_bytes; ///< of each item's result, or detail::varying_bytes
  std::uint32_t reserved;
  std::uint64_t loop_offset; ///< of a detail::loop_fn in the stub's module; 0: none
};
static_assert(sizeof(frame_header) == 104);

enum class answer_kind : std::uint16_t {
  result = 1,   ///< position; the result follows
  failed = 2,   ///< position; an encoded failure follows
  part = 3,     ///< position; a piece of a large result, in order; `result` brings the last
  returned = 4, ///< position: first not run; value: sequence number after the last returned frame
  ready = 5,    ///< the initializer has run
  unfit = 6,    ///< the initializer failed; text follows
  grown = 7,    ///< it exceeds its memory limit between items: it starts nothing more
  column = 8,   ///< first position; the results of `items` items, one behind the other
  spans = 10,   ///< parts of a task that it has named; at most once for each item
  measured = 9, ///< position; what the worker has more than before it, before its own answer
};

enum answer_flags : std::uint16_t {
  answer_has_parcel = 1 ///< descriptors for the result precede it on the control socket
};

struct answer_header {
  std::uint32_t size; ///< of the whole answer in the ring, a multiple of 8
  answer_kind kind;
  std::uint16_t flags;
  position where;
  std::uint64_t value; ///< returned: end; part: bytes of the whole result; else ns the item ran
  std::uint32_t bytes; ///< of payload
  std::uint32_t items; ///< column: how many results
};
static_assert(sizeof(answer_header) == 32);

constexpr std::size_t round_up_8(std::size_t n) noexcept { return (n + 7) & ~std::size_t{7}; }

} // namespace bulkhead::runtime
