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
/// one that lives, waits for the next one, or is refused; none is sent twice. Thread-safe.
class child_handle final : public proxy_base, public incarnated {
public:
  child_handle(caf::actor_config& config, std::shared_ptr<actor_hub> hub, std::string name,
               std::size_t most_held);
  ~child_handle() override;

  void on_send(caf::strong_actor_ptr sender, caf::message_id mid, caf::message msg) override;
  void on_link(caf::abstract_actor*, bool) override {}
  caf::strong_actor_ptr incarnation() const override;

  /// From now on messages go there, first those that waited. Does not wait for room.
  void bind(caf::strong_actor_ptr to);
  /// It is gone. Messages wait, or are refused where `comes_back` is false.
  void unbind(bool comes_back);
  /// The child is gone for good: what waits is refused, monitors and links hear the reason.
  void end(const caf::error& reason);

private:
  friend class handle_watch;
  struct parcel {
    caf::strong_actor_ptr sender;
    caf::message_id mid;
    caf::message content;
  };
  enum class standing : std::uint8_t { waits, bound, down, over };

  void take(parcel p);
  bool keep(parcel& p);
  void flush();
  bool send(const caf::strong_actor_ptr& to, parcel& p);
  bool lost(const caf::strong_actor_ptr& from, parcel&& p);
  void refuse(const parcel& p, const std::string& why) const;

  const std::shared_ptr<actor_hub> hub_;
  const std::string name_;
  const std::size_t most_held_;
  mutable std::mutex mutex_; ///< guards what follows; never held while CAF is called
  standing standing_ = standing::waits;
  caf::strong_actor_ptr actor_;
  std::deque<parcel> returned_; ///< from a dead incarnation that did not see them; go first
  std::deque<parcel> held_;
  bool flushing_ = false;
};

} // namespace bulkhead::actors
