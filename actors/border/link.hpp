#pragma once

#include "actors/border/exports.hpp"
#include "actors/border/leader.hpp"
#include "actors/border/pending.hpp"
#include "actors/wire/inbox.hpp"
#include "actors/wire/outbox.hpp"
#include "runtime/system/adaptive_mutex.hpp"

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <set>

namespace bulkhead::actors {

struct link_limits {
  /// Frames that may wait for room in this process; beyond it counted ones wait outside or get an
  /// error.
  std::size_t capacity = 1024;
  /// Counted frames the peer may have unprocessed; 0: any number (its transport bounds it).
  std::uint64_t window = 0;
  /// The same in bytes, which one frame may exceed; looked at where `window` is not 0.
  std::uint64_t window_bytes = std::uint64_t{64} << 20;
  /// Whether the frames of the peer are counted and granted when processed.
  bool grants = false;
  /// How long a sender may wait for room; 0: not at all.
  std::chrono::nanoseconds patience = std::chrono::seconds{10};
  /// Bytes that may wait for room; a frame beyond it finds room where nothing else waits.
  std::size_t capacity_bytes = std::size_t{256} << 20;
  /// Who has waited in vain is heard all the same: in a worker, whose actors know no better.
  bool never_refuses = false;
};

/// The sending side of a channel to one process, and what is remembered about that process. All
/// calls are thread-safe except receive(), which has one caller at a time.
class link : public std::enable_shared_from_this<link> {
public:
  enum class sent { ok, dead, full };

  link(peer_id peer, std::shared_ptr<transport> io, link_limits limits);

  peer_id peer() const noexcept { return peer_; }
  /// acquire: who sees it dead sees why.
  bool dead() const noexcept { return dead_.load(std::memory_order_acquire); }

  /// Queues a frame; `request` goes into the pending table in the same step. A counted frame for
  /// which there is no room waits for it only under a may_wait_scope; elsewhere it is refused at
  /// once, and under a no_wait_scope it is taken. `lead`, if any, begins just before the frame goes
  /// out.
  sent send(outbox::item&& frame, pending_table::entry request = {}, lead_scope* lead = nullptr);
  /// Moves on what waits for room or credit. True when nothing waits.
  bool flush();
  bool backlogged() const noexcept { return !dead() && outbox_.waiting() != 0; }
  /// What waits for room or credit.
  std::size_t waiting() const noexcept { return outbox_.waiting(); }
  std::size_t waiting_bytes() const noexcept { return outbox_.waiting_bytes(); }

  /// True for the first caller, who then must call die() and deal with what is left.
  bool claim_death() noexcept { return !claimed_.exchange(true, std::memory_order_acq_rel); }
  /// No send succeeds from now on and no sender waits.
  void die();
  std::vector<pending_table::entry> take_pending() { return pending.take(); }
  bool reached(const pending_table::entry& e) const noexcept {
    return e.piece <= popped_at_death_.load(std::memory_order_acquire);
  }

  /// Pops at most `limit` pieces. False: the peer broke the protocol, or `take` refused a frame.
  bool receive(std::size_t limit, const inbox::taker& take, std::size_t& popped);

  /// For a counted frame: its end grants the peer a new one and as many bytes; null where the link
  /// does not grant.
  std::shared_ptr<void> token(std::size_t bytes);

  /// Calls `tell` once for each process, for the first that names it: it sends the node id. When
  /// this returns the node id is on its way, whoever sends it: what names the process may follow.
  template <class F>
  void introduce(peer_id whom, F tell) {
    const std::lock_guard lock{introductions_};
    if (introduced_.contains(whom))
      return;
    tell();
    introduced_.insert(whom);
  }

  transport& io() noexcept { return *io_; }

  /// May be empty. To be set before the first request.
  std::weak_ptr<leader> reader;

  pending_table pending;
  exports exported;

private:
  using mutex_type = runtime::adaptive_mutex;

  bool has_room(std::size_t bytes) const noexcept;
  bool make_room(std::unique_lock<mutex_type>& lock, std::size_t bytes);
  void processed_one(std::size_t bytes) noexcept;

  const peer_id peer_;
  const std::shared_ptr<transport> io_;
  const link_limits limits_;
  std::atomic<bool> claimed_ = false;
  std::atomic<bool> dead_ = false;
  std::atomic<std::uint64_t> popped_at_death_ = 0;
  mutex_type introductions_; ///< before mutex_ and the border's; guards introduced_
  std::set<peer_id> introduced_;
  /// Guards outbox_, except waiting(); never held while CAF is called.
  mutex_type mutex_;
  std::condition_variable_any room_;
  bool in_vain_ = false; ///< somebody waited to the end, and there was no room since
  outbox outbox_;
  inbox inbox_;
  std::atomic<std::uint64_t> processed_ = 0;
  std::atomic<std::uint64_t> processed_bytes_ = 0;
};

/// While one lives in a thread, what that thread sends is taken without a look at the room: the
/// reader threads, on which the progress of everything else depends. What they pass on was counted
/// where it came from, by the credit of a peer or in the queue of a worker that died.
class no_wait_scope {
public:
  no_wait_scope() noexcept : before_(active()) { active() = true; }
  ~no_wait_scope() { active() = before_; }
  no_wait_scope(const no_wait_scope&) = delete;
  no_wait_scope& operator=(const no_wait_scope&) = delete;

  static bool& active() noexcept {
    thread_local bool flag = false;
    return flag;
  }

private:
  const bool before_;
};

} // namespace bulkhead::actors
