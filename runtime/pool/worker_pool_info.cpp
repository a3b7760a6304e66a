#include "runtime/pool/worker_pool.hpp"
#include "runtime/process/isolation_report.hpp"
#include "runtime/system/bell.hpp"
#include "runtime/system/proc_stat.hpp"
#include "runtime/this_process/own_process.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

namespace bulkhead::runtime {

namespace {

worker_state state_of(const worker_slot& s) noexcept {
  if (s.lost)
    return worker_state::dead;
  if (!s.ready)
    return worker_state::starting;
  if (!s.serves())
    return worker_state::draining;
  return s.busy() ? worker_state::busy : worker_state::idle;
}

} // namespace

std::vector<worker_info> worker_pool::workers() {
  own_process::require();
  lock_type lock{mutex_};
  if (!leader_)
    drain_all();
  std::vector<worker_info> all;
  all.reserve(slots_.size());
  for (const auto& s : slots_) {
    worker_info info;
    info.id = s->id;
    info.pid = s->process ? s->process->pid() : 0;
    info.state = state_of(*s);
    info.tasks_done = s->done;
    info.busy = s->busy_time;
    info.started_at = s->started_at;
    all.push_back(info);
  }
  lock.unlock();
  for (auto& info : all)
    if (info.pid != 0)
      info.rss_bytes = resident_bytes(info.pid);
  return all;
}

pool_stats worker_pool::stats() {
  own_process::require();
  lock_type lock{mutex_};
  if (!leader_)
    drain_all();
  auto now = stats_;
  now.queued = backlog_.items() + delayed_.size();
  now.in_flight = in_flight_;
  return now;
}

std::vector<isolation_feature> worker_pool::isolation() {
  own_process::require();
  lock_type lock{mutex_};
  for (const auto& s : slots_)
    if (s->process)
      return s->process->isolation();
  return no_isolation(options_.start == start_method::thread ? "workers are threads of the host"
                                                             : "no worker lives now");
}

std::vector<std::size_t> worker_pool::worker_ids() {
  own_process::require();
  lock_type lock{mutex_};
  // A worker that has just been used up, or died, has its successor in a moment: without it a
  // broadcast would reach only some, or none.
  const auto settled = [this] {
    const auto leaves = [](const auto& s) { return !s->serves() && !s->busy(); };
    return terminated_ || broken_
           || (missing_workers() == 0 && wanted_ == 0
               && std::none_of(slots_.begin(), slots_.end(), leaves));
  };
  lead(lock, settled, nullptr, time_point::max());
  check_open();
  std::vector<std::size_t> ids;
  for (const auto& s : slots_)
    if (s->serves())
      ids.push_back(s->id);
  return ids;
}

int worker_pool::completion_fd() {
  own_process::require();
  lock_type lock{mutex_};
  if (!completion_fd_) {
    completion_fd_ = make_bell("eventfd for completion_fd()");
    collect_completions_ = true;
  }
  return completion_fd_.get();
}

std::vector<std::uint64_t> worker_pool::completions() {
  own_process::require();
  lock_type lock{mutex_};
  std::uint64_t rings = 0;
  if (completion_fd_ && ::read(completion_fd_.get(), &rings, sizeof rings) < 0 && errno != EAGAIN)
    throw std::system_error(errno, std::generic_category(), "read of completion_fd()");
  return std::exchange(completed_, {});
}

} // namespace bulkhead::runtime
