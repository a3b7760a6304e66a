#pragma once

#include "runtime/workers/attempts.hpp"
#include "runtime/workers/dispatcher.hpp"
#include "runtime/workers/news.hpp"
#include "runtime/workers/outcomes.hpp"
#include "runtime/workers/pool_state.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <span>

namespace bulkhead::runtime {

/// Takes what workers answer, and believes none of it unchecked.
class answers {
public:
  answers(pool_state& pool, outcomes& ends, attempts& again, dispatcher& sender, news& told)
    : pool_(pool), ends_(ends), attempts_(again), sender_(sender), news_(told) {}

  /// `more_to_do` is called where memory that was owed may be there again.
  void on_drain(std::function<void()> pay_debts) { pay_debts_ = std::move(pay_debts); }

  /// All that is there, of all workers; then sends. True: more is left for another turn.
  bool drain_all() BULKHEAD_REQUIRES(pool_lock);
  bool drain(worker_slot& slot) BULKHEAD_REQUIRES(pool_lock);
  /// Also what it has ready and has not yet published: of a worker that is dead, or whose running
  /// item takes long. Afterwards the first unanswered item is the one that it is at.
  void drain_unpublished(worker_slot& slot) BULKHEAD_REQUIRES(pool_lock);

  enum class armed : std::uint8_t {
    at_once,
    after_answers, ///< some were taken first: pump() is to follow
    no             ///< they come faster than they are taken
  };
  /// The worker's next answer rings.
  armed arm(worker_slot& slot) BULKHEAD_REQUIRES(pool_lock);
  /// All of them, or whoever has something to tell: kicks the runtime thread where that fails.
  void arm_all() BULKHEAD_REQUIRES(pool_lock) { arm_those(true); }
  void arm_busy() BULKHEAD_REQUIRES(pool_lock) { arm_those(false); }

private:
  void arm_those(bool idle_too) BULKHEAD_REQUIRES(pool_lock);
  bool take(worker_slot& slot, const answer& a) BULKHEAD_REQUIRES(pool_lock);
  bool take_ready(worker_slot& slot, const answer& a) BULKHEAD_REQUIRES(pool_lock);
  bool take_grown(worker_slot& slot) BULKHEAD_REQUIRES(pool_lock);
  bool take_spans(worker_slot& slot, const answer& a) BULKHEAD_REQUIRES(pool_lock);
  bool take_measured(worker_slot& slot, const answer& a) BULKHEAD_REQUIRES(pool_lock);
  static bool take_unfit(worker_slot& slot, const answer& a);
  bool take_part(worker_slot& slot, const answer& a) BULKHEAD_REQUIRES(pool_lock);
  bool take_result(worker_slot& slot, const answer& a) BULKHEAD_REQUIRES(pool_lock);
  bool take_failed(worker_slot& slot, const answer& a) BULKHEAD_REQUIRES(pool_lock);
  bool take_column(worker_slot& slot, const answer& a) BULKHEAD_REQUIRES(pool_lock);
  bool take_unpublished(worker_slot& slot, const answer& a, std::uint32_t ready)
    BULKHEAD_REQUIRES(pool_lock);
  bool take_results(worker_slot& slot, const answer& a, std::uint32_t first, std::uint32_t last)
    BULKHEAD_REQUIRES(pool_lock);
  void found_bad(worker_slot& slot) BULKHEAD_REQUIRES(pool_lock);
  bool take_returned(worker_slot& slot, const answer& a) BULKHEAD_REQUIRES(pool_lock);
  void take_large(worker_slot& slot, unit& u, std::uint32_t item) noexcept
    BULKHEAD_REQUIRES(pool_lock);
  /// A result with descriptors.
  void take_described(worker_slot& slot, unit& u, std::uint32_t item, const answer& a,
                      arrived_parcel parcel) noexcept BULKHEAD_REQUIRES(pool_lock);
  void items_ended(worker_slot& slot, flight::answered& item, std::uint32_t count,
                   std::uint64_t ran_ns) BULKHEAD_REQUIRES(pool_lock);
  void learn(worker_slot& slot, const unit& u, std::uint32_t count, std::uint64_t ran_ns)
    BULKHEAD_REQUIRES(pool_lock);
  static void keep_part(partial_result& partial, std::span<const std::byte> part,
                        std::size_t whole) noexcept;

  pool_state& pool_;
  outcomes& ends_;
  attempts& attempts_;
  dispatcher& sender_;
  news& news_;
  std::function<void()> pay_debts_;
};

} // namespace bulkhead::runtime
