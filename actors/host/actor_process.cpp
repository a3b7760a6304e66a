#include "actors/host/actor_process.hpp"

#include "actors/caf/failure_error.hpp"
#include "actors/host/event_feed.hpp"
#include "actors/wire/fault_transport.hpp"
#include "actors/worker/actor_worker_main.hpp"
#include "actors/worker/actor_worker_settings.hpp"
#include "runtime/code/shipped_call.hpp"
#include "runtime/crash/crash_words.hpp"
#include "runtime/forkserver/launch.hpp"
#include "runtime/process/exit_classifier.hpp"
#include "runtime/process/watch_thread.hpp"
#include "runtime/system/spin.hpp"
#include "runtime/testing/hooks.hpp"

#include <bulkhead/error.hpp>
#include <bulkhead/parallelism.hpp>

#include <signal.h>
#include <sys/epoll.h>

#include <algorithm>

// One worker that hosts actors, as its host sees it. The runtime thread comes with bells, timers
// and the end; threads that wait for an answer read the link themselves. `turn_` gives the host's
// end of the ring to one of them at a time; the mutex guards what was asked and what was answered,
// and is never held while frames are read or CAF is called.
namespace bulkhead::actors {

namespace {

// Messages of one worker that host actors have not processed; bounds the host's mailboxes.
constexpr std::uint64_t window = 8192;
constexpr std::uint64_t window_bytes = std::uint64_t{64} << 20;

constexpr std::size_t pieces_per_drain = 256;

// How often a busy worker is drained before others have their turn on the runtime thread.
constexpr int looks_per_turn = 16;

// How long a sender that is about to wait for an answer may do so by reading itself. Who asks
// several workers before it waits is kept that long. After a quick answer the limit is beyond the
// scheduler's next tick: programming a timer, which that spares, takes longer than the answer.
constexpr std::chrono::microseconds quick_answer{250};
constexpr std::chrono::milliseconds longest_lead{5};

std::chrono::nanoseconds longest_spin(std::size_t workers) {
  return runtime::longest_spin(available_parallelism(), workers);
}

std::vector<std::byte> call_bytes(const callable& call) {
  return call ? runtime::encode_call(call) : std::vector<std::byte>{};
}

} // namespace

std::shared_ptr<actor_process> actor_process::start(std::shared_ptr<actor_hub> hub,
                                                    const pool_options& options, std::size_t number,
                                                    end_handler on_end) {
  std::shared_ptr<actor_process> made{
    new actor_process(std::move(hub), options, number, std::move(on_end))};
  made->launch(options);
  return made;
}

actor_process::actor_process(std::shared_ptr<actor_hub> hub, const pool_options& options,
                             std::size_t number, end_handler on_end)
  : hub_(std::move(hub)), number_(number), grace_(options.grace),
    measures_memory_(options.max_memory_per_worker != 0), on_event_(options.on_event),
    io_(std::make_shared<ring_transport>(options.ring_capacity)), on_end_(std::move(on_end)),
    spinner_(longest_spin(1)), leader_spinner_(longest_spin(1)) {}

actor_process::~actor_process() {
  if (child_)
    child_->kill(SIGKILL);
}

void actor_process::launch(const pool_options& options) {
  connect(options);
  try {
    start_child(options);
  } catch (...) {
    forget_launch();
    throw;
  }
  io_->close_worker_fds();
  output_.launched();
  look_soon();
}

void actor_process::connect(const pool_options& options) {
  auto weak = weak_from_this();
  peer_ = hub_->enroll(
    [weak](link&, const frame& f) {
      auto self = weak.lock();
      return !self || self->on_control(f);
    },
    weak);
  link_limits limits;
  limits.capacity = std::max<std::size_t>(1, options.queue_capacity);
  limits.capacity_bytes = options.queue_bytes;
  // Credit for what the worker sends, so that its actors cannot fill the mailboxes of the host.
  limits.grants = true;
  limits.patience =
    options.on_full == on_full::block ? std::chrono::seconds{10} : std::chrono::nanoseconds{0};
  link_ = hub_->edge().connect(peer_, with_faults(io_), limits);
  link_->reader = weak;
  const std::lock_guard lock{mutex_};
  watched_ = runtime::turn_watch{{options.unresponsive_after, options.task_timeout,
                                  options.max_memory_per_worker, options.max_age_per_worker,
                                  options.ready_within},
                                 clock::now()};
}

// What was connected must not stay: it has descriptors, which may be what is missing.
void actor_process::forget_launch() noexcept {
  if (watch_ != 0)
    hub_->thread()->unwatch(watch_);
  hub_->edge().fail(*link_, to_error(death_of(0, {.cause = exit_cause::start_failed}, false)));
  hub_->dismiss(peer_);
}

worker_settings actor_process::settings_for(const pool_options& options) const {
  worker_settings settings;
  settings.peer = peer_;
  settings.pool_name = options.name;
  settings.ring_bytes = options.ring_capacity;
  settings.window = window;
  settings.window_bytes = std::min<std::uint64_t>(window_bytes, options.queue_bytes);
  settings.beat = runtime::beat_interval(options.unresponsive_after);
  settings.grace = options.grace;
  settings.spin =
    longest_spin(options.actor_workers != 0 ? options.actor_workers : options.workers);
  settings.host_node = hub_->node_bytes();
  settings.initializer = call_bytes(options.initializer);
  settings.finalizer = call_bytes(options.finalizer);
  settings.number = number_;
  settings.names = hub_->names_id();
  return settings;
}

void actor_process::start_child(const pool_options& options) {
  runtime::launch_request request;
  request.method =
    options.start == start_method::spawn ? start_method::spawn : start_method::forkserver;
  request.entry = &actor_worker_main;
  request.name =
    (options.name.empty() ? "pool" : options.name) + "/actors-" + std::to_string(number_);
  detail::descriptor_list brought;
  runtime::add_descriptors(brought, options.initializer);
  runtime::add_descriptors(brought, options.finalizer);
  auto settings = settings_for(options);
  settings.keys = brought.keys();
  request.start = encode_settings(settings);
  request.fds = io_->worker_fds();
  const auto fds = brought.fds();
  request.fds.insert(request.fds.end(), fds.begin(), fds.end());
  request.setup = runtime::worker_setup::from(options.limits, options.affinity, options.nice);
  request.setup.library_threads = static_cast<std::uint32_t>(options.threads_per_worker);
  request.confine(runtime::sandbox::pack_policy(options.sandbox, "pool_options::"));
  output_ = {options.output, options.name, number_, hub_->thread()};
  output_.direct(request);
  // Watched before it exists: its exit may be delivered before launch() returns.
  auto weak = weak_from_this();
  watch_ = hub_->thread()->watch(io_->bell_fd(), EPOLLIN, [weak](std::uint32_t events) {
    auto self = weak.lock();
    // A bell that can be rung is always writable, so look_again() is answered once and then
    // disarmed.
    if (self && (events & EPOLLOUT) != 0)
      self->hub_->thread()->change(self->watch_, EPOLLIN);
    if (self)
      self->on_bell();
  });
  adopt(runtime::launch(
    request, [self = shared_from_this()](const runtime::child_exit& exit) { self->on_exit(exit); },
    clock::now() + runtime::launch_patience));
}

// The hello, a bad message or the exit may be known before launch() has returned the child.
void actor_process::adopt(std::shared_ptr<runtime::child> child) {
  BULKHEAD_HOOK("actor.host.launched");
  tell(on_event_, event_kind::started, number_, child->pid(), "actor worker started");
  bool ready = false;
  std::optional<runtime::child_exit> exit;
  {
    std::lock_guard lock{mutex_};
    child_ = std::move(child);
    ready = ready_;
    exit = early_exit_;
  }
  if (ready)
    tell_ready();
  // The child stands in child_ before the cause is read, and kill() notes the cause before it reads
  // child_: one of the two sees the other.
  if (asked()) // killed before there was anything to kill
    child_->kill(SIGKILL);
  // Posted and not called: on_exit() belongs to the runtime thread alone.
  if (exit)
    hub_->thread()->post([self = shared_from_this(), exit = *exit] { self->on_exit(exit); });
}

// seq_cst, as all of cause_: rare, and nothing to gain.
bool actor_process::claim_cause(exit_cause why) noexcept {
  int none = static_cast<int>(exit_cause::none);
  return cause_.compare_exchange_strong(none, static_cast<int>(why));
}

void actor_process::tell_ready() const noexcept {
  tell(on_event_, event_kind::ready, number_, pid(), "actor worker serves");
}

// The host has given it; where CAF chooses it, anything will do. Another's would make that one a
// liar when it says hello.
bool actor_process::says_own_node(std::span<const std::byte> body) const {
  const auto given = node_for(hub_->system().node(), peer_);
  resolve_handle none;
  caf::node_id said;
  return !given || (codec{hub_->system(), none}.decode(body, said) && said == given);
}

bool actor_process::on_control(const frame& f) {
  if (f.kind() == frame_kind::hello) {
    if (!says_own_node(f.body))
      return false;
    bool adopted = false;
    {
      std::lock_guard lock{mutex_};
      // Hello comes once. A second one is a lie, as is a `spawned` before it.
      if (std::exchange(ready_, true))
        return false;
      adopted = child_ != nullptr;
    }
    if (adopted)
      tell_ready();
    return true;
  }
  spawn_handler done;
  {
    std::lock_guard lock{mutex_};
    auto i = waiting_.find(f.header.id);
    if (f.kind() != frame_kind::spawned || !ready_ || i == waiting_.end())
      return false;
    done = std::move(i->second);
    waiting_.erase(i);
  }
  // Without the mutex: the handler is somebody else's code and may ask this process again.
  if (f.header.source_actor != 0) {
    done(hub_->edge().proxy_for({peer_, f.header.source_actor}, true), {});
    return true;
  }
  failure why;
  why.kind = failure_kind::task_exception;
  why.worker = pid();
  // The text is the worker's, so its length is bounded here.
  why.message = std::string(reinterpret_cast<const char*>(f.body.data()),
                            std::min<std::size_t>(f.body.size(), 4096));
  done(nullptr, why);
  return true;
}

void actor_process::on_bell() {
  BULKHEAD_HOOK("actor.host.bell");
  // First quiet, then look: a ring that comes after the look has to wake the thread again.
  io_->hush();
  // A leader reads. It finds the note, and looks again or has this thread do so; where it sleeps it
  // has to be woken, since the bell that rang was the runtime thread's.
  if (!turn_.try_enter_or_note()) {
    if (turn_.sleeps())
      io_->wake();
    return;
  }
  io_->stay_awake();
  // Each drain takes a bounded number of pieces and each turn a bounded number of drains: a worker
  // that floods does not keep the runtime thread from the others.
  bool good = drain();
  for (int more = 0; more < looks_per_turn && good && look_on(); ++more)
    good = drain();
  give_turn_back(good);
}

// More came meanwhile: the next turn of the runtime thread, so that others get theirs.
void actor_process::give_turn_back(bool good) noexcept {
  if (!good)
    refuse_more();
  else if (io_->fall_asleep() && !link_->dead())
    look_again();
  // A note that was left after the last look has nobody else who would act on it.
  if (turn_.leave())
    look_again();
}

// In the runtime thread, soon. The bell can always be rung, and the worker can ring it at any time:
// no descriptor more, and no write that it could block.
void actor_process::look_again() noexcept { hub_->thread()->change(watch_, EPOLLIN | EPOLLOUT); }

// While somebody waits for an answer it pays to look a little longer. True: there is one.
bool actor_process::look_on() noexcept {
  if (link_->pending.requests() == 0)
    return false;
  turn_.look_on(true);
  spinner_.spin([this] { return io_->has_piece() || turn_.wanted(); });
  turn_.look_on(false);
  return io_->has_piece() && !turn_.wanted();
}

// The sender would sleep, the runtime thread would be woken by the answer and wake the sender: two
// hand-overs more, which take longer than most answers. So the sender looks itself; where that took
// long lately, only now and then.
bool actor_process::begin() noexcept {
  const bool try_again = leads_.fetch_add(1, std::memory_order_relaxed) % 32 == 0;
  if (!(answers_quickly() || try_again) || !turn_.try_enter())
    return false;
  await_answer();
  return true;
}

bool actor_process::take_over() noexcept {
  if (!answers_quickly() || !turn_.try_take_over())
    return false;
  await_answer();
  return true;
}

// A worker that is awake finds its sender spinning; one that has to get up may need the very core
// that a spin would keep from it.
void actor_process::await_answer() noexcept {
  if (io_->peer_sleeps())
    io_->sleep_as_leader();
  else
    io_->stay_awake();
}

void actor_process::lead(const caf::strong_actor_ptr& sender, caf::message_id request) {
  const auto start = clock::now();
  const auto slow = slow_leads_.load(std::memory_order_relaxed); // a guess, of this turn's holder
  const auto end = start + (slow == 0 ? clock::duration{longest_lead} : quick_answer);
  bool good = true;
  while (good && link_->pending.waits(sender, request) && !turn_.claimed() && await_piece(end)
         && clock::now() < end)
    good = drain();
  if (!good)
    refuse_more();
  // Relaxed: see above.
  slow_leads_.store(clock::now() - start < quick_answer ? 0 : slow + 1, std::memory_order_relaxed);
}

bool actor_process::await_piece(clock::time_point deadline) noexcept {
  if (turn_.take_note())
    return true;
  if (!io_->sleeps_as_leader() && leader_spinner_.spin([this] { return io_->has_piece(); }))
    return true;
  return turn_.sleep([&] { return io_->wait_as_leader(deadline); });
}

void actor_process::end() noexcept { give_turn_back(true); }

// In the reader's turn. A lie decides the cause, unless the host had begun to end the worker: it
// was told to go before it lied. It goes at once all the same, and nothing more of it is believed.
void actor_process::refuse_more() noexcept {
  if (std::exchange(has_lied_, true))
    return;
  claim_cause(exit_cause::bad_message);
  std::lock_guard lock{mutex_};
  if (child_)
    child_->kill(SIGKILL);
}

// In the reader's turn. False: a bad message, now or before; nothing more is believed.
bool actor_process::drain() {
  if (has_lied_)
    return false;
  // The host has given it up, and its system may be gone.
  if (link_->dead())
    return true;
  std::size_t popped = 0;
  const bool good = hub_->edge().receive(*link_, pieces_per_drain, popped);
  BULKHEAD_HOOK("actor.host.drained");
  hub_->tidy_later();
  return good;
}

// Only the first cause counts, and only its caller sends the frame. The kill after the grace does
// not depend on the worker, which may never read it.
void actor_process::stop(exit_cause why, std::chrono::nanoseconds grace) noexcept {
  if (!claim_cause(why))
    return;
  byte_buf buf;
  begin_frame(buf);
  hub_->edge().control(*link_, frame_kind::stop, {.dest_peer = peer_}, std::move(buf));
  hub_->thread()->at(clock::now() + grace, [weak = weak_from_this()] {
    if (auto self = weak.lock())
      self->end_child();
  });
}

// Where it has not been launched yet, adopt() sees that it was asked to end.
void actor_process::end_child() noexcept {
  std::shared_ptr<runtime::child> child;
  {
    const std::lock_guard lock{mutex_};
    child = child_;
  }
  if (child)
    child->kill(SIGKILL);
}

void actor_process::kill(exit_cause why) noexcept {
  claim_cause(why);
  end_child();
}

bool actor_process::wait(clock::time_point deadline) {
  std::unique_lock lock{mutex_};
  return changed_.wait_until(lock, deadline, [this] { return over_; });
}

void actor_process::on_exit(const runtime::child_exit& exit) {
  {
    std::lock_guard lock{mutex_};
    // launch() has not returned; adopt() finds this and posts it again.
    if (!child_) {
      early_exit_ = exit;
      return;
    }
  }
  BULKHEAD_HOOK("actor.host.death_seen");
  // All its stores are visible now. What it sent counts, unless it was caught lying. Whoever reads
  // may sleep for a bell that a dead worker no longer rings, and is woken.
  turn_.enter([this] { io_->wake(); });
  bool honest = drain();
  // No more than the ring holds: a child that it has left behind may go on to write.
  for (auto left = io_->most_pieces() / pieces_per_drain; left != 0 && honest && io_->has_piece();
       --left)
    honest = drain();
  turn_.leave();
  if (!honest)
    claim_cause(exit_cause::bad_message);
  hub_->thread()->unwatch(watch_);
  bool was_ready = false;
  {
    std::lock_guard lock{mutex_};
    was_ready = ready_;
  }
  // seq_cst: see claim_cause().
  const auto status =
    runtime::classify_exit(exit, static_cast<exit_cause>(cause_.load()), was_ready);
  auto f = death_of(pid(), status, true);
  if (status.cause != exit_cause::shutdown) {
    const auto said = runtime::tell_crash(f, runtime::read_crash(io_->peer_recorder()));
    f.message += said.how + said.why;
  }
  f.last_output += output_.tail(runtime::failure_tail);
  if (!exit.start_error.empty())
    f.message += ": " + exit.start_error;
  // Links and monitors hear of the end before the starts that wait, and those before whoever
  // replaces the process. over_ comes last, because whoever waits for it goes on to end the system.
  hub_->edge().fail(*link_, end_of(f));
  hub_->dismiss(peer_, expired());
  fail_spawns(f);
  BULKHEAD_HOOK("actor.host.buried");
  if (status.cause != exit_cause::shutdown)
    tell(on_event_, event_kind::died, number_, pid(), "actor worker " + to_string(status), status);
  if (auto done = std::exchange(on_end_, nullptr))
    done(status, was_ready);
  std::lock_guard lock{mutex_};
  over_ = true;
  changed_.notify_all();
}

} // namespace bulkhead::actors
