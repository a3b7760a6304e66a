#pragma once

#include "actors/caf/turn_listener.hpp"
#include "actors/wire/ring_words.hpp"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace bulkhead::actors {

/// Where a worker's loop writes what it has in hand and what its actors have done, for a host that
/// looks at any time, also while a behaviour never ends. One thread, but for gone(). The words of a
/// turn are guarded by its number: even while nothing runs, odd while its words are valid.
class turn_board final : public turn_listener {
public:
  /// `host`: the words of the other side.
  turn_board(ring_words& words, std::span<actor_row> rows, std::span<turn_note> notes,
             const ring_words& host);

  void begins(std::uint64_t actor) noexcept override;
  bool ends(std::uint64_t actor, std::string_view name, std::size_t mailbox) noexcept override;
  void gone(std::uint64_t actor) noexcept override;

  /// The start of an actor, which takes its time as a turn does; its first turn is part of it.
  /// False: the host has taken the request back.
  bool begins_start(std::uint64_t request) noexcept;
  void ends_start(std::size_t actors) noexcept;

  /// How many actors live. Frees the rows of those that are gone.
  void counts(std::size_t actors) noexcept;

private:
  using clock = std::chrono::steady_clock;

  void begin(std::uint64_t actor) noexcept;
  void end() noexcept;
  void note(std::uint64_t actor, std::uint64_t took) noexcept;
  /// Null where all rows are taken.
  actor_row* new_row(std::uint64_t actor, std::string_view name) noexcept;
  void free_rows() noexcept;

  ring_words& words_;
  const std::span<actor_row> rows_;
  const std::span<turn_note> notes_;
  const ring_words& host_;
  std::unordered_map<std::uint64_t, std::size_t> at_; ///< row of an actor
  std::vector<std::size_t> free_;                     ///< rows, the next one last
  clock::time_point since_{};
  std::uint64_t turn_ = 0;
  std::atomic<bool> any_gone_ = false; ///< a hint; the lock orders
  std::mutex mutex_;                   ///< guards what follows
  std::vector<std::uint64_t> gone_;    ///< whose rows are to be freed
};

} // namespace bulkhead::actors
