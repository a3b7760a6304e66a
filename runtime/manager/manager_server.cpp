#include "runtime/manager/manager_server.hpp"

#include "runtime/manager/object_store.hpp"

#include <bulkhead/error.hpp>
#include <bulkhead/listener.hpp>

#include <atomic>
#include <chrono>
#include <exception>
#include <memory>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

namespace bulkhead::runtime {

namespace {

using detail::manager_line;
using detail::manager_message;
using detail::manager_op;
using detail::manager_status;

constexpr std::size_t most_lines = 1024;

/// Lives as long as its process: threads end with it.
class manager_server {
public:
  explicit manager_server(detail::manager_door outside) : outside_(std::move(outside)) {}

  void take(manager_line line) {
    // relaxed: a bound, not a rendezvous.
    const bool full = lines_.fetch_add(1, std::memory_order_relaxed) >= most_lines;
    try {
      if (full)
        throw std::system_error(std::make_error_code(std::errc::too_many_files_open));
      std::thread([this, line]() mutable { serve_line(std::move(line)); }).detach();
    } catch (const std::system_error&) {
      lines_.fetch_sub(1, std::memory_order_relaxed); // as above
      turn_away(std::move(line));
    }
  }

private:
  // What it asks first is answered before it asks.
  static void turn_away(manager_line line) {
    line.send(refusal("the manager serves as many calls as it can at a time; end "
                      "some that wait, or use more managers"));
  }

  void serve_line(manager_line line) noexcept {
    try {
      for (;;)
        answer(line, line.recv());
    } catch (const std::exception&) { // the client is gone, or no client
    }
    lines_.fetch_sub(1, std::memory_order_relaxed); // as above
  }

  void answer(manager_line& line, const manager_message& request) {
    const auto what = request.what;
    if (what == manager_op::make || what == manager_op::serve_at)
      return line.send(of_the_manager(request));
    const auto object = objects_.find(request.object);
    if (!object)
      return line.send(
        refusal("no object of this manager has the number " + std::to_string(request.object)));
    auto done = serve(*object, request, [&line] { return line.poll(std::chrono::seconds{0}); });
    if (what == manager_op::queue_get && done.status == manager_status::ok)
      return hand_over(line, *object, std::move(done));
    line.send(done);
  }

  // Until the client says that it has the item, its death gives the item back.
  static void hand_over(manager_line& line, stored_object& queue, manager_message item) {
    try {
      line.send(item);
      if (line.recv().what != manager_op::queue_taken)
        throw pipe_closed("the client does not say that the item has arrived");
    } catch (...) {
      item_came_back(queue, std::move(item.texts.front()));
      throw;
    }
    item_arrived(queue);
  }

  manager_message of_the_manager(const manager_message& request) {
    const auto& texts = request.texts;
    if (texts.size() < 2)
      return refusal("a request without its texts; the programs use different versions");
    if (request.what == manager_op::make)
      return objects_.make(static_cast<managed_kind>(request.object), texts[0], texts[1],
                           static_cast<std::uint64_t>(request.number));
    try {
      auto made = std::make_unique<detail::listening_socket>(texts[0], texts[1], 64);
      std::thread([this, entrance = std::move(made)] { admit(*entrance); }).detach();
      return answer_of(manager_status::ok);
    } catch (const std::exception& e) {
      return refusal(e.what());
    }
  }

  // Each in a thread of its own: who connects and says nothing keeps nobody out.
  void admit(const detail::listening_socket& entrance) {
    for (;;) {
      try {
        auto peer = entrance.next(detail::time_point::max());
        std::thread([this, &entrance, peer = std::move(peer)] { greet(entrance, peer); }).detach();
      } catch (const std::exception&) { // no descriptors or threads: they may come back
        std::this_thread::sleep_for(std::chrono::milliseconds{10});
      }
    }
  }

  void greet(const detail::listening_socket& entrance,
             const detail::shared_descriptor& peer) noexcept {
    try {
      entrance.authenticate(peer);
      detail::connection_access::make<detail::manager_door>(peer).send(outside_);
    } catch (const std::exception&) { // the peer is told by the end of its connection
    }
  }

  detail::manager_door outside_;
  object_store objects_;
  std::atomic<std::size_t> lines_{0};
};

} // namespace

void serve_managed(detail::manager_door inside, const detail::manager_door& outside) {
  static auto& server = *new manager_server{outside}; // its threads never end before it
  for (;;)
    server.take(inside.recv());
}

} // namespace bulkhead::runtime
