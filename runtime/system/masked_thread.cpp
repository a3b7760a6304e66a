#include "runtime/system/masked_thread.hpp"

#include <pthread.h>
#include <signal.h>

#include <utility>

namespace bulkhead::runtime {

namespace {

/// Every signal blocked in the calling thread while one lives; what was blocked before comes back
/// whichever way the block is left.
class all_signals_blocked {
public:
  all_signals_blocked() noexcept {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~all_signals_blocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  all_signals_blocked(const all_signals_blocked&) = delete;
  all_signals_blocked& operator=(const all_signals_blocked&) = delete;

private:
  sigset_t before_;
};

} // namespace

// A new thread inherits the mask of the one that makes it: blocked afterwards, it could already
// have taken a signal.
std::thread masked_thread(const char* name, std::function<void()> run) {
  const all_signals_blocked guard;
  std::thread made{std::move(run)};
  pthread_setname_np(made.native_handle(), name);
  return made;
}

} // namespace bulkhead::runtime
