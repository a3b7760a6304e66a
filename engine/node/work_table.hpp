#pragma once

#include "engine/wire/messages.hpp"

#include <bulkhead/detail/duration.hpp>
#include <bulkhead/detail/task_sink.hpp>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace bulkhead::engine {

using detail::time_point;

/// A batch that a node has and the broker keeps for others until it is dealt with.
struct held_batch {
  std::uint64_t tag = 0;     ///< of the delivery
  std::uint64_t life = 0;    ///< of the connection that it came by
  std::size_t undecided = 0; ///< pieces that are neither granted nor denied
};

/// Where a piece is at its node.
enum class stage : std::uint8_t {
  held,  ///< nobody was asked for it
  asked, ///< its submitter was
  away,  ///< the question found no submitter: it is asked again, and keeps nothing else from work
  taken, ///< granted in part or whole: it runs, or its outcomes are on their way
};

/// A piece at a node.
struct held_piece {
  piece content;
  stage at = stage::held;
  std::uint64_t number = 0;          ///< of the last question
  time_point since;                  ///< when it came, or was asked for
  std::uint32_t asked = 0;           ///< how often it was asked for again
  std::shared_ptr<held_batch> batch; ///< null once it is decided
  std::uint32_t unsettled = 0;       ///< tasks whose outcomes the submitter has not taken yet
  std::uint32_t running = 0;         ///< tasks without an outcome
  std::vector<std::shared_ptr<detail::task_sink>> sinks; ///< of what was granted
};

/// One submitter, as a node sees it.
struct patron {
  struct letter {
    packed_bytes message;
    time_point sent;
    std::vector<task_range> tasks; ///< whose outcomes are in it, each of one piece
  };

  std::map<std::uint64_t, held_piece> pieces; ///< by first task
  std::map<std::uint64_t, letter> letters;    ///< without an answer
  std::uint64_t last_number = 0;
  std::uint64_t last_letter = 0;
  std::chrono::nanoseconds lease{};
  time_point heard;
  time_point absent_until; ///< it has no queue: what comes of it is not for anybody now

  /// What holds the task; null where nothing does.
  held_piece* find(std::uint64_t task) noexcept;
  /// Whether some of these tasks are known already.
  bool overlaps(task_range tasks) const noexcept;
};

/// Takes a piece's batch out of it; the batch, where it is dealt with now.
std::shared_ptr<held_batch> decide(held_piece& p) noexcept;

} // namespace bulkhead::engine
