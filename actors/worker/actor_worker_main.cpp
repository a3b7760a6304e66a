#include "actors/worker/actor_worker_main.hpp"

#include "actors/caf/message_marks.hpp"
#include "actors/caf/proxy.hpp"
#include "actors/caf/verbs.hpp"
#include "actors/names/name_service.hpp"
#include "actors/wire/ring_transport.hpp"
#include "actors/worker/actor_loop.hpp"
#include "actors/worker/actor_worker_settings.hpp"
#include "actors/worker/configure.hpp"
#include "actors/worker/spawn_request.hpp"
#include "runtime/code/shipped_call.hpp"
#include "runtime/crash/crash_recorder.hpp"
#include "runtime/process/watch_thread.hpp"
#include "runtime/system/proc_stat.hpp"
#include "runtime/testing/hooks.hpp"
#include "runtime/worker/finalizer.hpp"
#include "runtime/worker/task_context.hpp"

#include <bulkhead/actors/spawn_stub.hpp>

#include <caf/actor_registry.hpp>

#include <unistd.h>

#include <cstdio>
#include <exception>

// An actor worker from its entry to its end. What has to be there before any frame is read: names
// of types, the node id that the host has given, the border; then the hello, behind which the host
// may send.
namespace bulkhead::actors {

namespace {

/// Everything of one actor worker, on its main thread.
class worker_process {
public:
  worker_process(const worker_settings& settings, detail::descriptor_list brought,
                 std::shared_ptr<ring_transport> io)
    : settings_(settings), brought_(std::move(brought)), io_(std::move(io)),
      context_(settings.number, settings.pool_name, host_words_, own_words_),
      board_(io_->own_words(), io_->own_rows(), io_->own_turns(), io_->peer_words()),
      system_(settings.threaded ? engine::threaded : engine::in_loop) {}

  int run() {
    runtime::task_context::install(&context_, false);
    if (!settings_.initializer.empty())
      runtime::run_call(settings_.initializer, &brought_);
    load_messages(system_.config());
    system_.on_wake([this] { io_->wake(); });
    system_.listen(&board_);
    system_.take_node(node_for(read_node(settings_.host_node), settings_.peer));
    system_.start();
    border_ = std::make_shared<border>(system_.system(), settings_.peer, system_.context());
    border_->state_keeper = settings_.names;
    border_->on_control = [this](link& host, const frame& f) { return on_control(host, f); };
    host_ = border_->connect(
      host_peer, io_,
      {.window = settings_.window, .window_bytes = settings_.window_bytes, .never_refuses = true});
    resolve_handle none;
    caf::node_id host_node;
    if (!codec{system_.system(), none}.decode(settings_.host_node, host_node)
        || !border_->know(host_peer, host_node))
      return runtime::exit_start_failed;
    reach_names([edge = border_, id = settings_.names] {
      return edge->proxy_for({host_peer, id}, false);
    });
    say_hello();
    actor_loop loop{system_, border_, host_, board_};
    loop_ = &loop;
    const bool in_order = loop.run();
    if (in_order)
      runtime::run_finalizer(settings_.finalizer, &brought_, settings_.pool_name);
    return in_order ? 0 : 1;
  }

private:
  void say_hello() {
    BULKHEAD_HOOK("actor.worker.hello");
    byte_buf buf;
    begin_frame(buf);
    resolve_handle none;
    codec{system_.system(), none}.encode(buf, system_.system().node());
    border_->control(*host_, frame_kind::hello, {.source_peer = settings_.peer}, std::move(buf));
  }

  bool on_control(link& host, const frame& f) {
    if (f.kind() == frame_kind::stop) {
      host_words_.stop.store(1, std::memory_order_relaxed); // this_worker::stop_requested()
      loop_->stop(settings_.grace);
      return true;
    }
    if (f.kind() != frame_kind::spawn)
      return false;
    BULKHEAD_HOOK("actor.worker.spawn_read");
    std::string why;
    caf::strong_actor_ptr made;
    // Announced before the host's word is looked at: see withdraw() in actors/host.
    if (!board_.begins_start(f.header.id)) {
      why = "the host has taken the start back";
      border_->give_back(host, f.body);
    } else {
      made = try_to_make(host, f.body, why);
      board_.ends_start(system_.system().registry().running());
    }
    BULKHEAD_HOOK("actor.worker.spawn_made");
    reply(host, f.header.id, made, why);
    return true;
  }

  caf::strong_actor_ptr try_to_make(link& host, std::span<const std::byte> body, std::string& why) {
    try {
      return make_actor(host, body, why);
    } catch (const std::exception& e) {
      why = e.what();
    } catch (...) {
      why = "an exception that is no std::exception";
    }
    return nullptr;
  }

  caf::strong_actor_ptr make_actor(link& host, std::span<const std::byte> body, std::string& why) {
    spawn_head head;
    if (body.size() < sizeof head) {
      why = "the spawn frame is cut short";
      return nullptr;
    }
    std::memcpy(&head, body.data(), sizeof head);
    caf::message args;
    if (!border_->decode(host, body.subspan(sizeof head), args, why))
      return nullptr;
    const auto* code = detail::from_ref(head.stub);
    const auto* behavior =
      head.behavior == detail::function_ref{} ? nullptr : detail::from_ref(head.behavior);
    auto made = reinterpret_cast<detail::spawn_stub>(const_cast<void*>(code))(system_.system(),
                                                                              behavior, args);
    // Before it runs: at a stop it gets its exit message, even where its start fails afterwards.
    loop_->adopt(made);
    return started(made, why) ? made : nullptr;
  }

  // A function runs when its actor does, not inside spawn: let it run once, so that a start that
  // fails is an error of the spawn. It is the last of those that are ready.
  bool started(const caf::strong_actor_ptr& made, std::string& why) {
    system_.run_ready(system_.ready());
    if (!proxy_base::terminated(made->get()))
      return true;
    at_exit(made, [&](const caf::error& reason) {
      if (reason)
        why = "the behaviour ended while it started: " + render(system_.system(), reason)
              + "; the worker's stderr may say more";
    });
    return why.empty();
  }

  void reply(link& host, std::uint64_t request, const caf::strong_actor_ptr& made,
             const std::string& why) {
    byte_buf buf;
    begin_frame(buf);
    if (!made)
      buf.insert(buf.end(), reinterpret_cast<const byte_buf::value_type*>(why.data()),
                 reinterpret_cast<const byte_buf::value_type*>(why.data() + why.size()));
    // Counted before the frame goes, so that the host's handle cannot be given back first.
    const auto key = border_->mention(host, made);
    border_->control(host, frame_kind::spawned,
                     {.source_peer = key.peer, .source_actor = key.id, .id = request},
                     std::move(buf));
  }

  const worker_settings& settings_;
  const detail::descriptor_list brought_; ///< for initializer and finalizer
  const std::shared_ptr<ring_transport> io_;
  // What this_worker answers from: an actor worker has no tasks, and no such pages of a host.
  runtime::host_page host_words_{};
  runtime::worker_page own_words_{};
  runtime::task_context context_;
  turn_board board_;
  worker_system system_;
  std::shared_ptr<border> border_;
  std::shared_ptr<link> host_;
  actor_loop* loop_ = nullptr;
};

} // namespace

// Nothing is destroyed at the end: the process exits, and actors that did not end would be waited
// for. An actor that calls exit() runs destructors beside all other threads.
void actor_worker_main(runtime::worker_start& start) {
  static const auto& settings = *new worker_settings{decode_settings(start.start)};
  try {
    auto brought = runtime::take_brought(start, ring_transport::descriptors, settings.keys);
    auto io = std::make_shared<ring_transport>(std::move(start.fds), settings.ring_bytes);
    io->spin_at_most(settings.spin);
    // relaxed: the host looks at it after the hello
    io->own_words().inherited.store(runtime::own_resident_bytes(), std::memory_order_relaxed);
    count_expired_in(io->own_words().expired);
    runtime::install_crash_recorder(io->own_recorder());
    runtime::start_watch_thread(start.control.get(), start.host.get(), io->own_beat(),
                                settings.beat);
    auto* process = new worker_process(settings, std::move(brought), std::move(io));
    start.exit_code = process->run();
  } catch (const std::exception& e) {
    std::fprintf(stderr, "bulkhead: actor worker of pool '%s' could not start: %s\n",
                 settings.pool_name.c_str(), e.what());
    start.exit_code = runtime::exit_start_failed;
  }
}

} // namespace bulkhead::actors
