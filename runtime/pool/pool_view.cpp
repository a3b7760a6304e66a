#include "runtime/crash/crash_report.hpp"
#include "runtime/pool/worker_pool.hpp"
#include "runtime/process/isolation_report.hpp"
#include "runtime/system/proc_stat.hpp"
#include "runtime/this_process/own_process.hpp"

#include <algorithm>

// The calls that look at a pool.
namespace bulkhead::runtime {

namespace {

constexpr std::size_t most_output = std::size_t{16} << 10;

worker_state state_of(const worker_slot& s) noexcept {
  if (s.gone())
    return worker_state::dead;
  if (!s.ready)
    return worker_state::starting;
  if (!s.serves())
    return worker_state::draining;
  return s.busy() ? worker_state::busy : worker_state::idle;
}

double progress_of(const worker_slot& s) noexcept {
  // relaxed: a number for people. It is the worker's word, so it is bounded here.
  const auto millionths = s.link.worker_words().progress.load(std::memory_order_relaxed);
  return static_cast<double>(std::min<std::uint64_t>(millionths, 1'000'000)) / 1e6;
}

// Of the item that is the first without an answer.
bool outcome_goes_to(const detail::task_sink& sink, const flight& flown) noexcept {
  const auto& u = *flown.front();
  return u.sink->tells(sink, u.first_item + item_of(flown.next()));
}

} // namespace

std::vector<worker_info> worker_pool::workers() {
  own_process::require(state_.owner);
  pool_turn turn{state_, answers_};
  catch_up();
  std::vector<worker_info> all;
  all.reserve(state_.slots.size());
  for (const auto& s : state_.slots) {
    worker_info info;
    info.id = s->id;
    info.pid = s->pid();
    info.state = state_of(*s);
    info.tasks_done = s->done;
    info.busy = s->busy_time;
    info.started_at = s->started_at;
    describe_task(info, *s);
    all.push_back(info);
  }
  // Files of /proc are read without the lock, for workers that may have ended meanwhile: then it
  // says zero.
  turn.unlock();
  for (auto& info : all)
    if (info.pid != 0)
      info.rss_bytes = resident_bytes(info.pid);
  turn.lock();
  return all;
}

// The claim is the worker's word: what it names counts only where it is what the worker was sent.
void worker_pool::describe_task(worker_info& info, worker_slot& slot) {
  const auto f = dispatcher_.facts_of(slot);
  if (!f.has_task || !f.runs)
    return;
  const auto now = clock::now();
  info.task = slot.link.flown().front()->id + item_of(slot.link.flown().next());
  info.task_runs = now - slot.watch.at_front_since(f.front, now);
  info.progress = progress_of(slot);
}

std::optional<double> worker_pool::running(const detail::task_sink& sink) {
  own_process::require(state_.owner);
  const pool_turn turn{state_, answers_};
  catch_up();
  for (const auto& s : state_.slots)
    if (const auto f = dispatcher_.facts_of(*s);
        f.has_task && f.runs && outcome_goes_to(sink, s->link.flown()))
      return progress_of(*s);
  return std::nullopt;
}

pool_stats worker_pool::stats() {
  own_process::require(state_.owner);
  const pool_turn turn{state_, answers_};
  catch_up();
  return state_.tasks.stats();
}

std::vector<isolation_feature> worker_pool::isolation() {
  own_process::require(state_.owner);
  const pool_turn turn{state_, answers_};
  for (const auto& s : state_.slots)
    if (s->process)
      return s->process->isolation();
  return no_isolation(state_.options.start == start_method::thread
                        ? "workers are threads of the host"
                        : "no worker lives now");
}

std::vector<std::size_t> worker_pool::worker_ids() {
  own_process::require(state_.owner);
  pool_turn turn{state_, answers_};
  // A worker that has just been used up, or died, has its successor in a moment: without it a
  // broadcast would reach only some, or none.
  const auto leaves = [](const auto& s) { return !s->serves() && !s->busy(); };
  const auto settled = [&]() {
    pool_is_locked();
    return state_.ended() || state_.closed
           || (state_.staff.settled()
               && std::none_of(state_.slots.begin(), state_.slots.end(), leaves));
  };
  lead(turn, settled); // a closed pool may never be
  state_.check_open();
  std::vector<std::size_t> ids;
  ids.reserve(state_.slots.size());
  for (const auto& s : state_.slots)
    if (s->serves())
      ids.push_back(s->id);
  return ids;
}

void worker_pool::look_on(std::shared_ptr<detail::onlooker> who) {
  own_process::require(state_.owner);
  pool_turn turn{state_, answers_};
  state_.onlooker.swap(who);
  for (const auto& s : state_.slots)
    s->link.set_watched(true);
  turn.unlock(); // the one before may end here, without the lock
  who.reset();
  turn.lock();
}

void worker_pool::look_away(const detail::onlooker& who) noexcept {
  if (!own_process::is(state_.owner))
    return;
  std::shared_ptr<detail::onlooker> last; // may end here, without the lock
  const pool_guard lock{state_.mutex};
  if (state_.onlooker.get() != &who)
    return;
  last.swap(state_.onlooker);
  for (const auto& s : state_.slots)
    s->link.set_watched(false);
}

void worker_pool::hear_taken(std::uint64_t id) noexcept {
  if (!own_process::is(state_.owner))
    return;
  const auto now = clock::now();
  const pool_guard lock{state_.mutex};
  if (state_.onlooker)
    state_.onlooker->outcome_taken(id, now);
}

std::vector<detail::running_task> worker_pool::running_tasks() {
  own_process::require(state_.owner);
  const pool_turn turn{state_, answers_};
  std::vector<detail::running_task> all;
  all.reserve(state_.slots.size());
  for (const auto& s : state_.slots)
    if (const auto f = dispatcher_.facts_of(*s); f.has_task && f.runs)
      all.push_back({s->id, what_calls(*s->link.flown().front())});
  return all;
}

void worker_pool::tell_onlooker(const pool_event& event) noexcept {
  const pool_guard lock{state_.mutex};
  if (state_.onlooker)
    state_.onlooker->happened(worker_kind::actors, event);
}

int worker_pool::completion_fd() {
  own_process::require(state_.owner);
  const pool_turn turn{state_, answers_};
  return outcomes_.completion_fd();
}

int worker_pool::room_fd() {
  own_process::require(state_.owner);
  const pool_turn turn{state_, answers_};
  return queue_.room_fd();
}

std::string worker_pool::last_output(std::size_t worker) {
  own_process::require(state_.owner);
  slot_ptr found;
  {
    const pool_turn turn{state_, answers_};
    for (const auto& s : state_.slots)
      if (s->id == worker && s->process)
        found = s;
  }
  // Without the lock: the pipe is read.
  return found ? read_log(found->link.worker_words().recorder) + found->output.tail(most_output)
               : std::string{};
}

std::vector<task_growth> worker_pool::growth() {
  own_process::require(state_.owner);
  if (!state_.options.measure_growth)
    throw config_error("pool::growth() tells nothing: pool_options::measure_growth is false; set "
                       "it to true");
  std::vector<growth_book::row> rows;
  {
    const pool_turn turn{state_, answers_};
    catch_up();
    rows = state_.growth.rows();
  }
  return named_growth(rows);
}

std::vector<std::uint64_t> worker_pool::completions() {
  own_process::require(state_.owner);
  const pool_turn turn{state_, answers_};
  return outcomes_.completions();
}

} // namespace bulkhead::runtime
