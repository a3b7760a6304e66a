#include "actors/host/actor_process.hpp"

#include "actors/caf/proxy.hpp"
#include "actors/caf/verbs.hpp"

#include <bulkhead/error.hpp>

#include <caf/actor_cast.hpp>

#include <cstring>

// How an actor is started in a worker, and how a start is taken back. Threads that spawn come here,
// several at once; the answers come in whatever thread reads the link. `start_mutex_` is taken
// before `mutex_`.
namespace bulkhead::actors {

namespace {

/// Longer in one message, an actor keeps its whole worker waiting: no actor is started there.
constexpr std::chrono::seconds stuck_after{1};
constexpr std::chrono::milliseconds stuck_interval{20};

/// What a thread waits for that starts an actor. Outlives that thread's patience.
struct start_answer {
  std::mutex mutex; ///< guards what follows
  std::condition_variable changed;
  bool done = false;
  bool unwanted = false; ///< nobody waits any more
  caf::strong_actor_ptr actor;
  failure why;

  void take(const caf::strong_actor_ptr& made, const failure& f) {
    {
      const std::lock_guard lock{mutex};
      done = true;
      why = f;
      // Where nobody waits any more, nobody will have a handle, and the actor is ended below.
      if (!unwanted)
        actor = made;
      changed.notify_all();
      if (!unwanted || !made)
        return;
    }
    send_exit(made, caf::exit_reason::kill);
  }
};

} // namespace

std::uint64_t actor_process::spawn(const spawn_request& request, spawn_handler done) {
  byte_buf buf;
  begin_frame(buf);
  const spawn_head head{request.stub, request.behavior};
  const auto begin = buf.size() + sizeof head;
  buf.resize(begin); // an insert of the bytes makes GCC 12 warn at -O3
  std::memcpy(buf.data() + begin - sizeof head, &head, sizeof head);
  resolve_handle none;
  std::string why;
  if (!codec{hub_->system(), none}.encode(buf, request.args, why))
    throw codec_error(why);
  const auto size = buf.size() - sizeof(frame_header);
  if (size > max_body_bytes)
    throw too_large("the arguments of an actor are " + std::to_string(size)
                    + " bytes, more than the limit of " + std::to_string(max_body_bytes));
  // Handles among the arguments are counted before the frame is sent, as those of a message are:
  // without it an actor that is only named here could end on the way.
  auto mentioned = hub_->edge().mention_all(*link_, as_bytes(buf).subspan(begin));
  // The worker gets requests in the order of their numbers.
  const std::lock_guard in_order{start_mutex_};
  std::uint64_t id = 0;
  {
    std::unique_lock lock{mutex_};
    if (closed_) {
      const auto f = end_;
      lock.unlock();
      done(nullptr, f);
      return 0;
    }
    id = ++requests_;
    waiting_[id] = std::move(done);
  }
  spawned_.store(id, std::memory_order_relaxed); // a hint, see actors()
  // Where the link is dead, the end of the process answers.
  hub_->edge().control(*link_, frame_kind::spawn, {.dest_peer = peer_, .id = id}, std::move(buf));
  return id;
}

std::optional<caf::strong_actor_ptr> actor_process::try_spawn(const spawn_request& request,
                                                              clock::time_point deadline) {
  auto a = std::make_shared<start_answer>();
  if (!admits())
    return std::nullopt;
  const auto id = spawn(
    request, [a](const caf::strong_actor_ptr& made, const failure& why) { a->take(made, why); });
  std::unique_lock lock{a->mutex};
  const auto done = [&] { return a->done; };
  bool withdrawn = false;
  while (!withdrawn && !a->done && clock::now() < deadline) {
    a->changed.wait_until(lock, std::min(deadline, clock::now() + stuck_interval), done);
    // An actor that works at one message for so long keeps the start from being looked at. It is
    // taken back while that is still possible, and another worker is tried.
    withdrawn = !a->done && busy_with().since + stuck_after < clock::now() && withdraw(id);
  }
  if (!a->done) {
    // Set under the answer's mutex, so that an answer that comes now either is seen or ends its
    // actor.
    a->unwanted = true;
    lock.unlock();
    if (withdrawn || withdraw(id))
      return std::nullopt;
    // The worker has begun and does not come to an end. Nobody will have a handle of that actor, so
    // its process is the only thing that can be ended.
    end_start();
    throw timeout_error("the actor worker " + std::to_string(pid())
                        + " did not start the actor in time and is killed: its constructor, or its "
                          "behaviour's first run, does not end");
  }
  if (a->actor)
    return std::move(a->actor);
  if (a->why.exit.cause == exit_cause::recycled)
    return std::nullopt; // it was about to end
  throw_failure(a->why);
}

caf::strong_actor_ptr actor_process::spawn(const spawn_request& request,
                                           clock::time_point deadline) {
  if (auto made = try_spawn(request, deadline))
    return std::move(*made);
  throw timeout_error(busy_text());
}

// seq_cst, as turn_board::begins_start: either the worker sees this and starts nothing, or it has
// begun and this sees it. A request that somebody else's pushes out of its place is started, found
// unwanted and ended again.
bool actor_process::withdraw(std::uint64_t request) noexcept {
  auto& place = io_->own_words().withdrawn[request % ring_words::most_withdrawn];
  place.store(request, std::memory_order_seq_cst);
  return io_->peer_words().starting.load(std::memory_order_seq_cst) < request;
}

// Of one that nobody has a handle of, so that nobody could end it.
void actor_process::end_start() noexcept { kill(exit_cause::neighbour_killed); }

std::string actor_process::busy_text() const {
  auto text = "the actor worker " + std::to_string(pid()) + " starts no actor now";
  const auto now = clock::now();
  if (const auto busy = busy_with(); busy.actor != 0)
    text += ": its actor " + std::to_string(busy.actor) + " has worked at one message for "
            + std::to_string(
              std::chrono::duration_cast<std::chrono::milliseconds>(now - busy.since).count())
            + " ms and keeps all others waiting; end it with bulkhead::kill, give the pool a "
              "task_timeout or more actor_workers, or place such actors in processes of their own";
  return text;
}

void actor_process::fail_spawns(const failure& f) {
  std::map<std::uint64_t, spawn_handler> waiting;
  {
    std::lock_guard lock{mutex_};
    end_ = f;
    // Who spawns from now on reads end_ under the same mutex, so no request is added to a table
    // that nobody answers any more.
    closed_ = true;
    waiting.swap(waiting_);
  }
  for (auto& [id, done] : waiting)
    done(nullptr, f);
}

} // namespace bulkhead::actors
