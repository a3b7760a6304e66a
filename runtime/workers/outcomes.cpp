#include "runtime/workers/outcomes.hpp"

#include "runtime/dispatch/retry_rule.hpp"
#include "runtime/outcome/failure_of.hpp"
#include "runtime/system/bell.hpp"

#include <unistd.h>

#include <cerrno>
#include <new>
#include <system_error>
#include <utility>

// Every outcome of the pool passes here, under its lock: it is counted, noted for completion_fd(),
// and given to the sink, which stores bytes and runs nothing of the user's.
namespace bulkhead::runtime {

namespace {

class deaf_sink final : public detail::task_sink {
  void on_value(std::uint64_t, std::span<const std::byte>) noexcept override {}
  void on_failure(std::uint64_t, failure&&) noexcept override {}
};

} // namespace

outcomes::outcomes(pool_state& pool) : pool_(pool), nobody_(std::make_shared<deaf_sink>()) {}

void outcomes::lose(unit& u) noexcept {
  if (u.twin != nullptr)
    u.twin->twin = nullptr;
  u.twin = nullptr;
  u.sink = nobody_;
  u.cancel_wanted = true;
  pool_.some_lost = true;
}

// A death, and what would be followed by another attempt, is not the outcome while the other run
// goes on.
bool outcomes::twin_decides(const unit& u, const failure& f) const noexcept {
  return u.twin != nullptr
         && (f.kind == failure_kind::worker_died
             || (u.attempt <= retries_of(u.options.get(), pool_.options)
                 && may_follow(policy_of(u.options.get(), pool_.options), f)));
}

void outcomes::succeed(const unit& u, std::uint32_t item, std::uint32_t count) noexcept {
  if (u.twin != nullptr)
    lose(*u.twin);
  pool_.tasks.end(task_end::succeeded, task_place::sent, count);
  for (std::uint32_t i = 0; completion_fd_ && u.sink != nobody_ && i < count; ++i)
    note_completion(u.id + item + i);
  if (pool_.onlooker)
    show(u, item, count, nullptr);
}

void outcomes::succeed_here(const unit& u, std::uint32_t item) noexcept {
  pool_.tasks.end(task_end::succeeded, task_place::waiting);
  note_completion(u.id + item);
}

void outcomes::fail(unit& u, std::uint32_t item, failure f, task_place from) noexcept {
  if (twin_decides(u, f)) {
    u.sink->placed(u.twin, u.id);
    lose(u);
  } else if (u.twin != nullptr) {
    lose(*u.twin);
  }
  f.may_have_executed |= u.attempt > 1; // an earlier attempt began
  pool_.tasks.end(f.kind == failure_kind::cancelled ? task_end::cancelled : task_end::failed, from);
  if (u.sink != nobody_)
    note_completion(u.id + item);
  if (pool_.onlooker)
    show(u, item, 1, &f);
  u.sink->on_failure(u.first_item + item, std::move(f));
}

void outcomes::show(const unit& u, std::uint32_t item, std::uint32_t count,
                    const failure* f) noexcept {
  detail::items_end end;
  end.task = u.id + item;
  end.items = count;
  end.attempt = u.attempt;
  end.what = what_calls(u);
  if (u.worker != nullptr) {
    end.worker = u.worker->id;
    end.pid = u.worker->pid();
    end.ran = std::chrono::nanoseconds{u.worker->answer_ran_ns};
  } else if (u.died_with != nullptr) {
    end.worker = u.died_with->id;
    end.pid = u.died_with->pid();
  }
  end.queued = u.queued;
  end.sent = u.sent;
  end.ended = clock::now();
  end.failed = f;
  pool_.onlooker->items_ended(end);
}

void outcomes::fail_all(std::unique_ptr<unit> u, const failure& f, task_place from) noexcept {
  for (std::uint32_t i = 0; i < u->items; ++i)
    fail(*u, i, copy_of(f), from);
  finish(std::move(u));
}

void outcomes::finish(std::unique_ptr<unit> u) noexcept {
  // The future must not find a unit that is being destroyed: first its place is taken back.
  u->sink->placed(nullptr, u->id);
  u.reset();
  pool_.waiting.wake_leader();
  if (pool_.tasks.sent() == 0)
    pool_.waiting.changed.notify_all();
}

void outcomes::note_completion(std::uint64_t id) noexcept {
  if (!completion_fd_)
    return;
  try {
    completed_.push_back(id);
  } catch (const std::bad_alloc&) { // its future has the outcome all the same
    return;
  }
  // After the id stands in the list: whoever polls reads the list next.
  ring(completion_fd_.get());
}

int outcomes::completion_fd() {
  if (!completion_fd_)
    completion_fd_ = make_bell("eventfd for completion_fd()");
  return completion_fd_.get();
}

std::vector<std::uint64_t> outcomes::completions() {
  std::uint64_t rings = 0;
  if (completion_fd_ && ::read(completion_fd_.get(), &rings, sizeof rings) < 0 && errno != EAGAIN)
    throw std::system_error(errno, std::generic_category(), "read of completion_fd()");
  return std::exchange(completed_, {});
}

} // namespace bulkhead::runtime
