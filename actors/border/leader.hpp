#pragma once

#include <caf/actor_control_block.hpp>
#include <caf/message_id.hpp>

#include <memory>
#include <utility>

namespace bulkhead::actors {

/// Reads a link for a moment in the thread of a sender that is about to wait for an answer, and
/// that would otherwise wait for the runtime thread to read it. One thread at a time.
class leader {
public:
  virtual ~leader() = default;

  /// Before the request goes out, without waiting. False: another reads.
  virtual bool begin() noexcept = 0;
  /// The same afterwards; may wait a moment for a reader that has nothing to do.
  virtual bool take_over() noexcept = 0;
  /// Between begin() or take_over() and end(): reads until the request is answered, but not long.
  virtual void lead(const caf::strong_actor_ptr& sender, caf::message_id request) = 0;
  virtual void end() noexcept = 0;
};

/// One sender's lead; does nothing where there is no leader.
class lead_scope {
public:
  explicit lead_scope(std::shared_ptr<leader> reader) : leader_(std::move(reader)) {}
  ~lead_scope() {
    if (begun_)
      leader_->end();
  }
  lead_scope(const lead_scope&) = delete;
  lead_scope& operator=(const lead_scope&) = delete;

  void begin() noexcept { begun_ = leader_ && leader_->begin(); }
  void lead(const caf::strong_actor_ptr& sender, caf::message_id request) {
    if (leader_ && !begun_)
      begun_ = leader_->take_over();
    if (begun_)
      leader_->lead(sender, request);
  }

private:
  const std::shared_ptr<leader> leader_;
  bool begun_ = false;
};

} // namespace bulkhead::actors
