#include "runtime/testing/hooks.hpp"
#include "runtime/worker/debugger_wait.hpp"
#include "runtime/worker/task_loop.hpp"

#include <bulkhead/detail/function_ref.hpp>
#include <bulkhead/error.hpp>

#include <algorithm>

// Frames whose results travel in columns.
namespace bulkhead::runtime {

namespace {

/// A result of more than this part of the ring gains nothing from company.
constexpr std::size_t column_shares = 16;

} // namespace

// An item without a limit: no clock, no doorbell and no answer of its own where it takes little.
void task_loop::run_in_column(running_frame& frame, position p, std::uint32_t item) {
  const auto args = next_arguments(frame);
  context_.begin(p, frame.header.task_id + item, frame.header.attempt, std::nullopt);
  const auto f = run_call_of(frame, args);
  BULKHEAD_HOOK("worker.ran");
  tell_spans();
  if (f || !join_column(frame.header, p))
    return answer_alone(p, f);
  BULKHEAD_HOOK("worker.column_grown");
  if (pace_.is_due() && pace_.look(now_ns()))
    publish_column();
}

void task_loop::answer_alone(position p, const std::optional<failure>& f) {
  // The order of answers is the order of items: what lies in the column goes first.
  const auto ran = pace_.mean(now_ns(), column_.items() + 1);
  publish_column();
  if (f)
    answer_failure(p, *f, ran);
  else
    answer_result(p, ran);
  pace_.begin(now_ns());
}

// Memory is looked at between any two items, where there is a limit.
bool task_loop::has_loop(const frame_header& h) const noexcept {
  if (h.loop_offset == 0 || config_.max_memory != 0)
    return false;
  return h.result_bytes == detail::varying_bytes
         || (h.result_bytes <= config_.max_result_bytes
             && sizeof(answer_header) + h.result_bytes <= most_in_column());
}

std::size_t task_loop::most_in_column() const noexcept { return end_.ring_bytes / column_shares; }

// The items from `item` on, until the host takes one back. Returns the first that did not run.
std::uint32_t task_loop::run_in_loop(running_frame& frame, std::uint32_t item) {
  const auto& h = frame.header;
  while (item < h.items) {
    const auto p = make_position(next_, item);
    const bool varying = h.result_bytes == detail::varying_bytes;
    if (column_.empty() || column_.fits(h.result_bytes) == 0)
      begin_column(h, p, varying ? most_in_column() : sizeof(answer_header) + h.result_bytes);
    auto run = make_run(frame, item);
    const auto f = run_loop_of(frame, run);
    const auto done =
      static_cast<std::uint32_t>((run.at - make_claim(p, claim_phase::started)) / item_step);
    // The loop wrote past the counting of column and frame; `run` says how far it came in each.
    column_.written(done, static_cast<std::size_t>(run.result - column_.next()));
    frame.rest = frame.rest.subspan(static_cast<std::size_t>(run.rest - frame.rest.data()));
    item += done + (f || run.left_over ? 1 : 0);
    tell_spans();
    if (f || (run.left_over && !join_column(h, position_of(run.at))))
      answer_alone(position_of(run.at), f);
    else if (run.left_over)
      continue;
    else if (done == 0)
      return item; // taken back
    else if (pace_.are_due(done) && pace_.look(now_ns()))
      publish_column();
  }
  return item;
}

detail::item_run task_loop::make_run(const running_frame& frame, std::uint32_t item) {
  const auto& h = frame.header;
  const auto p = make_position(next_, item);
  const auto count = std::min({h.items - item, pace_.left(), column_.fits(h.result_bytes)});
  detail::item_run run{};
  run.claim = &end_.mine->claim;
  run.recall = &end_.host->recall;
  run.where = &context_.where();
  run.task = &context_.id();
  run.untidy = &context_.untidy();
#if defined(BULKHEAD_HOOKS) && BULKHEAD_HOOKS
  run.reach = &testing::reach_hook;
#endif
  run.at = make_claim(p, claim_phase::started);
  run.end = run.at + count * item_step;
  run.id = h.task_id + item;
  run.rest = frame.rest.data();
  run.result = column_.next();
  run.argument_bytes = h.item_bytes;
  run.room = column_.room();
  run.most = std::min(most_in_column() - sizeof(answer_header) - sizeof(std::uint32_t),
                      config_.max_result_bytes);
  run.descriptors = &frame.descriptors;
  run.spare = &result_;
  return run;
}

std::optional<failure> task_loop::run_loop_of(const running_frame& frame, detail::item_run& run) {
  const auto& h = frame.header;
  context_.begin(position_of(run.at), run.id, h.attempt, std::nullopt);
  return failure_of_call([&] {
    wait_for_debugger({h.module, h.offset}, frame.callable);
    const detail::reader callable{frame.callable, detail::reader_limits::trusted()};
    const auto* code = detail::from_ref({h.module, h.loop_offset});
    reinterpret_cast<detail::loop_fn>(const_cast<void*>(code))(callable, run);
  });
}

// False: the result needs an answer of its own.
bool task_loop::join_column(const frame_header& h, position p) {
  const auto need = sizeof(answer_header) + sizeof(std::uint32_t) + result_.size();
  if (need > most_in_column() || result_.descriptors() != nullptr
      || result_.size() > config_.max_result_bytes
      || (h.result_bytes != detail::varying_bytes && h.result_bytes != result_.size()))
    return false;
  if (!column_.empty() && column_.add(result_.bytes()))
    return true;
  begin_column(h, p, need);
  return column_.add(result_.bytes());
}

void task_loop::begin_column(const frame_header& h, position p, std::size_t need) {
  publish_column();
  // A quarter of the ring, as with parts: the host can take the one while the next is written.
  const auto room = std::min(wait_for_answer_room(round_up_8(need)), end_.ring_bytes / 4);
  column_.begin(answers_end(), room, p, h.result_bytes);
}

void task_loop::publish_column() {
  if (column_.empty())
    return;
  const auto now = now_ns();
  const auto ran = pace_.mean(now, column_.items());
  publish_written(column_.finish(ran));
  pace_.begin(now);
}

} // namespace bulkhead::runtime
