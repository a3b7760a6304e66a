#include "actors/caf/failure_error.hpp"
#include "actors/caf/in_loop.hpp"

#include <caf/blocking_actor.hpp>

#include <dlfcn.h>

#include <stdexcept>

namespace bulkhead::actors {

namespace {

constexpr const char* what_to_do = " in the thread that runs the actors of this worker would wait "
                                   "for ever; use request().then() or await(), or spawn the "
                                   "waiting actor with caf::detached";

} // namespace

bool& running_scope::active() noexcept {
  thread_local bool flag = false;
  return flag;
}

std::uint64_t& running_scope::turn() noexcept {
  thread_local std::uint64_t number = 0;
  return number;
}

caf::error refusal_to_block(bool sent) {
  failure f;
  f.kind = failure_kind::rejected;
  f.may_have_executed = sent;
  f.message = std::string{"a blocking request (caf::scoped_actor)"} + what_to_do;
  return to_error(f);
}

} // namespace bulkhead::actors

// CAF has no hook before an actor blocks without a limit, but a virtual function, which its tables
// name as a symbol of a shared library; this one comes first. Weak, for a CAF that is linked
// statically: there its own is taken, and nothing is refused here.
[[gnu::weak]] void caf::blocking_actor::await_data() {
  using namespace bulkhead::actors;
  // With a message in the mailbox CAF's function returns at once, which blocks nobody.
  if (running_scope::active() && !has_next_message())
    throw std::runtime_error(std::string{"a receive without a time-out"} + what_to_do);
  using function = void (*)(caf::blocking_actor*);
  static const auto original =
    reinterpret_cast<function>(::dlsym(RTLD_NEXT, "_ZN3caf14blocking_actor10await_dataEv"));
  original(this);
}
