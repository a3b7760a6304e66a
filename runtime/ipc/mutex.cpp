#include <bulkhead/mutex.hpp>

#include "runtime/ipc/robust_lock.hpp"
#include "runtime/testing/hooks.hpp"

#include <atomic>
#include <cstdint>
#include <system_error>

namespace bulkhead::detail {

using runtime::robust_lock;

namespace {

struct mutex_words {
  shared_kind kind;
  robust_lock lock;
  std::uint32_t inherited; ///< from a dead holder; only the holder looks
};

} // namespace

/// This process's mapping. Where it goes while a thread here holds the lock it stays: the thread's
/// list of robust locks, which the kernel walks at its end, leads through it.
struct mutex_mapping {
  explicit mutex_mapping(shared_segment s) noexcept : segment(std::move(s)) {}
  mutex_mapping(const mutex_mapping&) = delete;
  mutex_mapping& operator=(const mutex_mapping&) = delete;
  ~mutex_mapping() {
    if (levels.load(std::memory_order_relaxed) != 0) // nobody else is left to change it
      segment.keep();
  }

  shared_segment segment;
  std::atomic<std::uint32_t> levels{0}; ///< held here; only the holder writes, so relaxed
};

mutex_base::mutex_base(shared_kind kind, bool recursive)
  : shared_object(kind, "bulkhead-mutex", sizeof(mutex_words)),
    here_(std::make_shared<mutex_mapping>(segment())) {
  words<mutex_words>().lock.init(recursive ? robust_lock::kind::recursive
                                           : robust_lock::kind::plain);
}

mutex_base::mutex_base(arrived_t arrived, shared_kind kind, shared_segment segment)
  : shared_object(arrived, kind, std::move(segment)),
    here_(std::make_shared<mutex_mapping>(this->segment())) {}

namespace {

// Relaxed, here and in unlock(): the number of who holds the mutex; the lock orders it.
inline void count_level(mutex_mapping& here) noexcept {
  const auto levels = here.levels.load(std::memory_order_relaxed);
  here.levels.store(levels + 1, std::memory_order_relaxed);
  BULKHEAD_HOOK("ipc.mutex_locked");
}

} // namespace

bool mutex_base::acquire(time_point deadline) {
  const auto result = words<mutex_words>().lock.lock(deadline);
  if (result != robust_lock::got::locked)
    return take(static_cast<int>(result));
  count_level(*here_);
  return true;
}

bool mutex_base::try_lock() {
  const auto result = words<mutex_words>().lock.try_lock();
  return result != robust_lock::got::deadlock && take(static_cast<int>(result));
}

bool mutex_base::take(int result) {
  switch (static_cast<robust_lock::got>(result)) {
  case robust_lock::got::owner_died:
    words<mutex_words>().inherited = 1;
    break;
  case robust_lock::got::locked:
    break;
  case robust_lock::got::abandoned:
    throw owner_died("the mutex was given up: a process died while it held it, and the next holder "
                     "released it without mark_consistent(); make a new one for what it protected");
  case robust_lock::got::deadlock:
    throw std::system_error(
      std::make_error_code(std::errc::resource_deadlock_would_occur),
      "mutex: the calling thread holds it already; use recursive_mutex for that");
  case robust_lock::got::timed_out:
    return false;
  }
  count_level(*here_);
  return true;
}

// Relaxed: the holder's number. Who does not hold it is refused below, and has no business here.
void mutex_base::unlock() {
  const auto levels = here_->levels.load(std::memory_order_relaxed);
  // Before the unlock: afterwards another thread of this process may hold it and count.
  here_->levels.store(levels == 0 ? 0 : levels - 1, std::memory_order_relaxed);
  BULKHEAD_HOOK("ipc.mutex_unlocking");
  if (words<mutex_words>().lock.unlock())
    return;
  here_->levels.store(levels, std::memory_order_relaxed);
  throw std::system_error(std::make_error_code(std::errc::operation_not_permitted),
                          "mutex: unlock by a thread that does not hold it");
}

bool mutex_base::previous_owner_died() const noexcept {
  return words<mutex_words>().inherited != 0;
}

void mutex_base::mark_consistent() noexcept {
  auto& w = words<mutex_words>();
  if (w.inherited == 0)
    return;
  w.lock.make_consistent();
  // After the lock is consistent: a death in between leaves it inherited, and the next holder is
  // told.
  w.inherited = 0;
}

} // namespace bulkhead::detail
