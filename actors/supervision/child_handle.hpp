#pragma once

#include "actors/caf/proxy.hpp"
#include "actors/host/actor_hub.hpp"
#include "actors/host/incarnated.hpp"

#include <deque>
#include <memory>
#include <mutex>
#include <string>

namespace bulkhead::actors {

/// The handle of a supervised child, the same for all its incarnations. Each message goes to the
/// one that lives, waits for the next one, or is refused. None is sent twice, but where messages
/// are replayed: then those that no snapshot contains go to the next incarnation once more, and
/// what it answers to them goes nowhere. Thread-safe.
class child_handle final : public proxy_base, public incarnated {
public:
  struct bounds {
    std::size_t held = 0;     ///< messages that wait for an incarnation
    std::size_t replayed = 0; ///< that no snapshot contains; 0: nothing is replayed
  };
  child_handle(caf::actor_config& config, std::shared_ptr<actor_hub> hub, std::string name,
               const bounds& most);
  ~child_handle() override;

  void on_send(caf::strong_actor_ptr sender, caf::message_id mid, caf::message msg) override;
  void on_link(caf::abstract_actor*, bool) override {}
  caf::strong_actor_ptr incarnation() const override;

  /// From now on messages go there, first those that are replayed, then those that waited. Does not
  /// wait for room.
  void bind(caf::strong_actor_ptr to);
  /// It is gone. Messages wait, or are refused where `comes_back` is false.
  void unbind(bool comes_back);
  /// The child is gone for good: what waits is refused, monitors and links hear the reason.
  void end(const caf::error& reason);
  /// A snapshot contains the messages up to this number: they are not replayed any more.
  void contained(std::uint64_t number);

private:
  friend class handle_watch;
  struct parcel {
    caf::strong_actor_ptr sender;
    caf::message_id mid;
    caf::message content;
    message_marks marks;
    /// Whoever sent it has its answer, or a failure: it is replayed without him.
    bool settled = false;
  };
  /// Most handles have none of it most of the time.
  struct queues {
    std::deque<parcel> returned; ///< from a dead incarnation that did not see them; go first
    std::deque<parcel> held;
    std::deque<parcel> log; ///< where messages are replayed: all that went out, by their numbers
    std::uint64_t numbers = 0;
    caf::strong_actor_ptr nobody; ///< to whom replayed messages are answered

    bool idle() const noexcept { return returned.empty() && held.empty(); }
  };
  enum class standing : std::uint8_t { waits, bound, down, over };

  bool replays() const noexcept { return most_.replayed != 0; }
  bool has_waiting() const noexcept { return queues_ && !queues_->idle(); } ///< under the lock
  queues& waiting();                                                        ///< under the lock
  void take(parcel p);
  bool keep(parcel& p);
  const char* refusal(const parcel& p) const; ///< under the lock
  void flush();
  bool take_next(parcel& next, caf::strong_actor_ptr& to, bool& first);
  void not_sent(parcel&& p, bool first);
  bool send(const caf::strong_actor_ptr& to, parcel& p);
  void note_sent(parcel& p);                       ///< under the lock
  parcel as_sent(const parcel& p);                 ///< under the lock
  void settle(std::uint64_t number, bool settled); ///< under the lock
  std::deque<parcel> take_unsettled();             ///< under the lock
  bool lost(const caf::strong_actor_ptr& from, parcel&& p);
  void refuse(const parcel& p, const std::string& why) const;

  const std::shared_ptr<actor_hub> hub_;
  const std::string name_;
  const bounds most_;
  mutable std::mutex mutex_; ///< guards what follows; never held while CAF is called
  standing standing_ = standing::waits;
  bool flushing_ = false;
  caf::strong_actor_ptr actor_;
  std::unique_ptr<queues> queues_;
};

} // namespace bulkhead::actors
