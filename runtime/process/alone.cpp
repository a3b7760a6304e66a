#include "runtime/process/alone.hpp"

#include "runtime/system/masked_thread.hpp"

#include <atomic>
#include <mutex>
#include <utility>

namespace bulkhead::runtime {

namespace {

// Never destroyed: it is asked beside the destructors of static objects.
constinit const lone_identity* identity = nullptr;

} // namespace

const lone_identity* own_lone_identity() noexcept { return identity; }

void become_lone(lone_identity who) { identity = new lone_identity{std::move(who)}; }

} // namespace bulkhead::runtime

// The wish that a process ends. The watch thread makes it, which must not run code of the user's;
// callbacks of a stop token are just that, so a thread of its own runs them, and is started only
// where somebody asks for a token.
namespace bulkhead::runtime::stop_request {

namespace {

constinit std::atomic<bool> asked{false};
constinit bool listening = false; // written before there are other threads

// Never destroyed: its thread may wait until the process ends.
std::stop_source& source() {
  static auto& only = *new std::stop_source;
  return only;
}

} // namespace

void listen() noexcept { listening = true; }

// Relaxed: nothing is passed on but the flag.
bool made() noexcept { return asked.load(std::memory_order_relaxed); }

void make() noexcept {
  asked.store(true, std::memory_order_relaxed); // the waiter looks at nothing else
  asked.notify_all();
}

std::stop_token token() {
  if (!listening)
    return {};
  static std::once_flag started;
  std::call_once(started, [] {
    masked_thread("bulkhead-stop", [] {
      asked.wait(false, std::memory_order_relaxed);
      source().request_stop();
    }).detach();
  });
  return source().get_token();
}

} // namespace bulkhead::runtime::stop_request
