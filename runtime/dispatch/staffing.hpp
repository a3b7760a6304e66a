#pragma once

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <utility>

namespace bulkhead::runtime {

/// How many workers there are to be, and where each that is missing has got to: it waits for its
/// back-off, is due, is owed (there was no memory to ask for it), is being launched, lives. A plain
/// value. Invariant: whoever begins launches only as allowed here never has more workers alive and
/// being launched than the largest target since the last one ended; and with no launch refused,
/// there are as many as the target once nothing is on its way.
class staffing {
public:
  explicit staffing(std::size_t target) noexcept : target_(target) {}

  std::size_t target() const noexcept { return target_; }
  void set_target(std::size_t workers) noexcept { target_ = workers; }

  /// A worker counts until its process is gone, however little it still serves: so a replacement
  /// starts when its predecessor has ended.
  std::size_t missing() const noexcept {
    return target_ - std::min(target_, alive_ + launching_ + due_ + later_ + owed_);
  }
  /// Nobody is missing or on the way.
  bool settled() const noexcept {
    return missing() == 0 && launching_ + due_ + later_ + owed_ == 0;
  }
  std::size_t due() const noexcept { return due_; }

  /// Nobody tries to start those that are missing: there are to be as many as there are.
  void do_without_missing() noexcept { target_ -= missing(); }

  void want_now() noexcept { ++due_; }
  void want_later() noexcept { ++later_; }
  void fall_due() noexcept {
    assert(later_ > 0);
    --later_;
    ++due_;
  }
  void owe() noexcept { ++owed_; }
  /// How many are owed; from now on they are missing.
  std::size_t pay() noexcept { return std::exchange(owed_, 0); }

  /// True: one that was missing is being launched now. `launched` or `refused` follows.
  bool begin_missing() noexcept { return begin_if(missing() > 0); }
  /// The same for one that is due; false where it is no longer needed.
  bool begin_due() noexcept {
    assert(due_ > 0);
    --due_;
    return begin_if(missing() > 0);
  }
  void launched() noexcept {
    refused();
    ++alive_;
  }
  void refused() noexcept {
    assert(launching_ > 0);
    --launching_;
  }
  void ended() noexcept {
    assert(alive_ > 0);
    --alive_;
  }

  std::size_t alive() const noexcept { return alive_; }
  std::size_t launching() const noexcept { return launching_; }

private:
  bool begin_if(bool needed) noexcept {
    launching_ += needed ? 1 : 0;
    return needed;
  }

  std::size_t target_;
  std::size_t alive_ = 0;
  std::size_t launching_ = 0;
  std::size_t due_ = 0;
  std::size_t later_ = 0;
  std::size_t owed_ = 0;
};

} // namespace bulkhead::runtime
