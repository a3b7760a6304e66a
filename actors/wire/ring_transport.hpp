#pragma once

#include "actors/wire/ring_words.hpp"
#include "actors/wire/transport.hpp"
#include "runtime/channel/channel_layout.hpp"
#include "runtime/system/segment.hpp"
#include "runtime/system/spin.hpp"
#include "runtime/system/unique_fd.hpp"

#include <span>
#include <vector>

namespace bulkhead::actors {

/// The channel of an actor worker: two segments, each written by one side and read-only for the
/// other, with a ring of pieces in each direction, and an eventfd for each side to sleep on.
class ring_transport final : public transport {
public:
  /// The host's end; throws std::system_error. `ring_bytes` a multiple of the page size.
  explicit ring_transport(std::size_t ring_bytes);
  static constexpr std::size_t descriptors = 5; ///< of worker_fds()

  /// The worker's end, from the descriptors of worker_fds() in their order.
  ring_transport(std::vector<runtime::unique_fd>&& fds, std::size_t ring_bytes);

  /// Host segment, worker segment, worker's bell, host's bell, its leader's. Borrowed.
  std::vector<int> worker_fds() const;
  /// After the launch: what only the worker needs.
  void close_worker_fds() noexcept;

  /// How long wait() may spin before it sleeps; 0 (default): not at all. To be set before.
  void spin_at_most(std::chrono::nanoseconds longest) noexcept;

  /// The host's bell, for its epoll; polls readable when receive() has something to do.
  int bell_fd() const noexcept { return own_bell_.get(); }
  /// Takes the rings of the bell; to be called before draining.
  void hush() noexcept;
  /// Says that the next piece must ring. True: something is there already, look again.
  bool fall_asleep() noexcept;
  void stay_awake() noexcept;
  /// The host, in a thread that reads for itself: sleeps until a piece, wake() or the deadline,
  /// while the other bell stays silent. False: the deadline passed.
  bool wait_as_leader(time_point deadline) noexcept;
  /// Says beforehand that wait_as_leader() is to come.
  void sleep_as_leader() noexcept;
  bool sleeps_as_leader() const noexcept;
  /// Whether there is something to pop.
  bool has_piece() const noexcept;
  /// Whether the peer slept lately; a hint.
  bool peer_sleeps() const noexcept;

  /// For the crash recorder; the host reads the peer's after its death.
  runtime::flight_recorder& own_recorder() noexcept;
  const runtime::flight_recorder& peer_recorder() const noexcept;

  std::uint64_t peer_beat() const noexcept;
  std::atomic<std::uint64_t>* own_beat() noexcept { return &mine_->beat; }

  /// The worker's word on its turns and actors: its own to write, the host's to read.
  ring_words& own_words() noexcept { return *mine_; }
  const ring_words& peer_words() const noexcept { return *theirs_; }
  std::span<actor_row> own_rows() noexcept;
  std::span<const actor_row> peer_rows() const noexcept;
  std::span<turn_note> own_turns() noexcept;
  std::span<const turn_note> peer_turns() const noexcept;

  std::size_t max_piece() const noexcept override;
  /// More than this a ring never holds.
  std::size_t most_pieces() const noexcept;
  bool try_push(std::span<const std::byte> piece) override;
  void want_wake() noexcept override;
  std::uint64_t pushed() const noexcept override;
  std::uint64_t peer_popped() const noexcept override;
  bool pop(std::size_t limit, const taker& take, std::size_t& popped) override;
  void grant(std::uint64_t total, std::uint64_t bytes) noexcept override;
  std::uint64_t granted() const noexcept override;
  std::uint64_t granted_bytes() const noexcept override;
  void wait(until what, time_point deadline) override;
  void wake() noexcept override;

private:
  void ring_if_wished() noexcept;
  void ring_if_room() noexcept;
  std::size_t room() const noexcept;
  bool next(std::size_t& length) noexcept;

  runtime::segment own_;
  runtime::segment peer_;
  runtime::unique_fd own_bell_;
  runtime::unique_fd peer_bell_;
  runtime::unique_fd leader_bell_; ///< the host's second bell
  runtime::unique_fd local_bell_;  ///< no other process has it
  runtime::unique_fd peer_end_;    ///< the worker's bell, as the worker has it
  runtime::unique_fd leader_end_;  ///< and the end of leader_bell_ that it rings
  ring_words* mine_ = nullptr;
  const ring_words* theirs_ = nullptr;
  std::byte* out_ = nullptr;
  const std::byte* in_ = nullptr;
  std::size_t ring_bytes_ = 0;

  // The pusher's; the link's lock guards them.
  std::uint64_t tail_ = 0;
  std::uint64_t peer_head_ = 0; ///< as last seen
  std::atomic<std::uint64_t> pushed_ = 0;
  std::uint32_t rung_ = 0; ///< the peer's last sleep that was rung for
  // The popper's.
  std::atomic<std::uint64_t> head_ = 0;
  std::uint64_t popped_ = 0;
  std::uint64_t peer_tail_ = 0; ///< as last seen
  std::uint32_t sleeps_ = 1;    ///< the number of the own last sleep
  std::vector<std::byte> piece_;
  runtime::spinner spinner_{std::chrono::nanoseconds{0}};
  std::atomic<std::uint64_t> granted_ = 0;
  std::atomic<std::uint64_t> granted_bytes_ = 0;
  std::atomic<bool> woken_ = false;            ///< wake() was called; ends a spin
  std::atomic<std::uint32_t> wishes_ = 0;      ///< own, as published
  std::atomic<std::uint32_t> seen_wishes_ = 0; ///< the peer's that were answered
};

} // namespace bulkhead::actors
