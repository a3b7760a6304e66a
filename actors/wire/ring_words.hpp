#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace bulkhead::actors {

/// What one side of a channel tells the other, in the head of the segment that only it writes; its
/// outgoing ring follows. The reader trusts none of it: copy, then check. The memory orders are
/// explained where the words are used, in ring_transport.cpp.
struct ring_words {
  static constexpr std::uint32_t current_version = 1;

  std::uint32_t version;
  std::uint32_t reserved;
  alignas(64) std::atomic<std::uint64_t> tail;    ///< bytes published in the own ring
  alignas(64) std::atomic<std::uint64_t> head;    ///< bytes taken from the peer's ring
  std::atomic<std::uint64_t> popped;              ///< pieces taken from the peer's ring
  alignas(64) std::atomic<std::uint64_t> granted; ///< the peer's counted messages processed
  std::atomic<std::uint64_t> granted_bytes;       ///< and what they had in all
  alignas(64) std::atomic<std::uint32_t> asleep;  ///< a number: ring once when you publish
  alignas(64) std::atomic<std::uint32_t> wishes;  ///< raised: ring when you made room or grant
  std::atomic<std::uint64_t> room_at;             ///< there is room once the peer's head is here
  alignas(64) std::atomic<std::uint64_t> beat;    ///< raised by the worker's watch thread
  // What the worker's loop has in hand; see turn_board.hpp.
  alignas(64) std::atomic<std::uint64_t> turn; ///< number of the turn; odd while one runs
  std::atomic<std::uint64_t> running;          ///< the actor whose turn it is; 0: a start
  std::atomic<std::uint64_t> since;            ///< when the turn began, steady clock, ns
  std::atomic<std::uint64_t> starting;         ///< the last request to start an actor it looked at
  std::atomic<std::uint64_t> started;          ///< the last that it is done with
  std::atomic<std::uint64_t> actors;           ///< living actors, those of CAF's own not counted
  std::atomic<std::uint64_t> unlisted;         ///< turns of actors that found no row
  std::atomic<std::uint64_t> inherited;        ///< resident bytes before the worker did anything
  std::atomic<std::uint64_t> expired;          ///< requests dropped because they came too late
  std::atomic<std::uint64_t> noted;            ///< turns that it has noted in its turn_notes
  /// The host's: requests to start an actor that it has taken back, by their number.
  static constexpr std::size_t most_withdrawn = 64;
  alignas(64) std::atomic<std::uint64_t> withdrawn[most_withdrawn];
  /// The host's: the worker notes its turns until then, steady clock, ns.
  alignas(64) std::atomic<std::uint64_t> watched_until;
};

/// What the worker's loop knows of one of its actors. A row is the host's to read at any time.
struct actor_row {
  static constexpr std::size_t name_bytes = 32;

  std::atomic<std::uint64_t> actor;                ///< CAF's id; 0: the row is free
  std::atomic<std::uint64_t> turns;                ///< messages it has handled, time-outs too
  std::atomic<std::uint64_t> busy;                 ///< ns in turns that have ended
  std::atomic<std::uint64_t> mailbox;              ///< messages that waited after its last turn
  std::atomic<std::uint64_t> name[name_bytes / 8]; ///< what CAF calls it, cut, no end mark
};
static_assert(sizeof(actor_row) == 64);
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

/// One turn that has ended. Note n is in place (n - 1) % most_turns.
struct turn_note {
  std::atomic<std::uint64_t> number; ///< n; 0 while it is written
  std::atomic<std::uint64_t> actor;
  std::atomic<std::uint64_t> since; ///< steady clock, ns
  std::atomic<std::uint64_t> took;  ///< ns
};
static_assert(sizeof(turn_note) == 32);

/// The head of a segment: the words on the first page, the worker's flight recorder on the second,
/// then the rows of its actors and the notes of its turns.
inline constexpr std::size_t recorder_offset = 4096;
inline constexpr std::size_t rows_offset = 8192;
inline constexpr std::size_t most_rows = 1024;
inline constexpr std::size_t turns_offset = rows_offset + most_rows * sizeof(actor_row);
inline constexpr std::size_t most_turns = 2048;
inline constexpr std::size_t ring_words_bytes = turns_offset + most_turns * sizeof(turn_note);
static_assert(sizeof(ring_words) <= recorder_offset);

} // namespace bulkhead::actors
