#include "runtime/code/fork_gate.hpp"

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <thread>

// Keeps fork() and the dynamic linker apart. Whoever loads or lists modules passes; whoever is
// about to copy the host shuts the gate and waits until nobody is inside, because a lock of the
// linker that is held at fork() stays locked in the copy.
namespace bulkhead::runtime {

namespace {

// Numbers and no mutex: a copy inherits them as they are, and can set them right.
constinit std::atomic<int> passing{0};
constinit std::atomic<bool> shut{false};
constinit thread_local int depth = 0;

void rest() noexcept { std::this_thread::sleep_for(std::chrono::microseconds{50}); }

template <class F>
bool comes_soon(F done) noexcept {
  const auto patience_ends = std::chrono::steady_clock::now() + std::chrono::seconds{1};
  while (!done()) {
    if (std::chrono::steady_clock::now() >= patience_ends)
      return false;
    rest();
  }
  return true;
}

} // namespace

// Sequentially consistent, here and below: of one that comes and one that shuts, at least one must
// see the other.
fork_gate::pass::pass() noexcept {
  if (++depth > 1)
    return;
  for (;;) {
    passing.fetch_add(1, std::memory_order_seq_cst);
    if (!shut.load(std::memory_order_seq_cst))
      return;
    passing.fetch_sub(1, std::memory_order_seq_cst);
    rest();
  }
}

// Release: what was done under the pass is done before the gate closes.
fork_gate::pass::~pass() {
  if (--depth == 0)
    passing.fetch_sub(1, std::memory_order_release);
}

// seq_cst: shut, then the look at who passes; a pass counts itself, then looks whether it is shut.
fork_gate::closed::closed() noexcept : process_(::getpid()) {
  const auto own = depth > 0 ? 1 : 0;
  shut_ = comes_soon([] { return !shut.exchange(true, std::memory_order_seq_cst); });
  alone_ = shut_ && comes_soon([&] { return passing.load(std::memory_order_seq_cst) == own; });
}

// In the copy, one that had just come and was about to turn back is no more.
fork_gate::closed::~closed() {
  if (::getpid() != process_)
    passing.store(depth > 0 ? 1 : 0, std::memory_order_relaxed); // one thread is left
  if (shut_)
    shut.store(false, std::memory_order_seq_cst);
}

} // namespace bulkhead::runtime
