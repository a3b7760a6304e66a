#include "runtime/worker/task_loop.hpp"

#include "runtime/code/shipped_call.hpp"
#include "runtime/outcome/failure_wire.hpp"
#include "runtime/process/worker_start.hpp"
#include "runtime/system/futex.hpp"
#include "runtime/system/proc_stat.hpp"
#include "runtime/testing/hooks.hpp"
#include "runtime/worker/debugger_wait.hpp"
#include "runtime/worker/finalizer.hpp"

#include <bulkhead/detail/ship.hpp>
#include <bulkhead/error.hpp>

#include <cxxabi.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <system_error>

// The worker's end of the protocol (docs/wire_format.md), in one thread. Order matters at three
// places: the claim before the look at the recall and both before the item; an answer published
// before the next claim; bell, flag, look, sleep.
namespace bulkhead::runtime {

namespace {

constexpr std::chrono::seconds parcel_patience{30};

std::span<const std::byte> bytes_of(const std::string& text) noexcept {
  return std::as_bytes(std::span(text.data(), text.size()));
}

} // namespace

task_loop::task_loop(const worker_config& config, const worker_port& end, bool is_thread)
  : config_(config), end_(end), is_thread_(is_thread),
    context_(config.id, config.pool_name, *end.host, *end.mine, config.captured),
    spinner_(config.spin), next_(config.base) {}

int task_loop::run() {
  task_context::install(&context_, is_thread_);
  if (config_.max_memory != 0 && !is_thread_)
    inherited_bytes_ = own_resident_bytes();
  // The host hears `ready` only after it, so no limit of a task runs while it lasts.
  if (!initialize())
    return 1;
  publish(answer_kind::ready, 0, inherited_bytes_, {});
  BULKHEAD_HOOK("worker.ready");
  while (wait_for_frame())
    run_frame();
  run_finalizer(config_.finalizer, config_.brought.get(), config_.pool_name);
  task_context::install(nullptr, is_thread_);
  return 0;
}

bool task_loop::initialize() {
  if (config_.initializer.empty())
    return true;
  try {
    run_call(config_.initializer, config_.brought.get());
    return true;
  } catch (abi::__forced_unwind&) {
    throw;
  } catch (...) {
    const auto f = describe_current_exception();
    auto text = f.type + ": " + f.message;
    if (text.size() > end_.ring_bytes / 4)
      text.resize(end_.ring_bytes / 4); // what does not fit the ring would wait for ever
    publish(answer_kind::unfit, 0, 0, bytes_of(text));
    return false;
  }
}

// seq_cst at stop: stored before the host looks whether we sleep. release after the sleep: an epoch
// seen late is rung for nothing.
template <class Ready>
bool task_loop::wait(Ready&& ready, bool until_stop) {
  const auto stopped = [&] {
    return until_stop && end_.host->stop.load(std::memory_order_seq_cst) != 0;
  };
  while (!spinner_.spin(ready)) {
    if (stopped())
      return false;
    // The bell before the flag: read after it, a ring in between would be taken for an old one.
    const auto bell = end_.host->bell.load(std::memory_order_acquire);
    // seq_cst: partner of the host's load of w_sleep after it has published.
    end_.mine->w_sleep.store(++sleep_epoch_, std::memory_order_seq_cst);
    BULKHEAD_HOOK("worker.sleeping");
    if (!ready() && !stopped())
      futex_wait(end_.host->bell, bell, true, std::chrono::steady_clock::time_point::max());
    end_.mine->w_sleep.store(++sleep_epoch_, std::memory_order_release);
  }
  return true;
}

bool task_loop::wait_for_frame() {
  // seq_cst: acquire for the frame's bytes, and the look-again of the sleep protocol.
  return wait([this] { return end_.host->tail.load(std::memory_order_seq_cst) > next_; }, true);
}

void task_loop::run_frame() {
  auto frame = open_frame();
  // What is measured item by item is answered so.
  const bool in_columns =
    (frame.header.flags & answer_in_columns) != 0 && frame.refusal.empty() && !config_.measures;
  if (in_columns)
    pace_.begin(now_ns());
  BULKHEAD_HOOK("worker.frame_read");
  for (std::uint32_t item = 0; item < frame.header.items; ++item) {
    if (in_columns && item != 0 && has_loop(frame.header))
      item = run_in_loop(frame, item);
    if (item == frame.header.items)
      break;
    const auto p = make_position(next_, item);
    if (retired_ || !claim(p)) {
      give_back(p);
      return;
    }
    if (in_columns)
      run_in_column(frame, p, item);
    else
      run_item(frame, p, item);
    // Between items only: the item that made it grow has its answer.
    retire_if_grown();
  }
  publish_column();
  // Only the worker's own numbers; the host frees the ring when it takes the answer.
  read_ += frame.header.size;
  ++next_;
  if ((frame.header.flags & segment_is_dropped) != 0)
    segments_.erase(frame.header.segment);
}

task_loop::running_frame task_loop::open_frame() {
  running_frame frame;
  const auto* at = end_.requests + (read_ & (end_.ring_bytes - 1));
  std::memcpy(&frame.header, at, sizeof frame.header);
  const auto& h = frame.header;
  std::span<const std::byte> body{at + sizeof h, static_cast<std::size_t>(h.body_bytes)};
  try {
    if ((h.flags & body_in_segment) != 0)
      body = segment_body(h);
    if ((h.flags & frame_has_parcel) != 0)
      frame.descriptors = end_.inbox->take_parcel(h.parcel);
  } catch (const std::exception& e) { // no memory, no descriptor, or beyond the worker's limit
    frame.refusal = e.what();
    return frame;
  }
  frame.callable = body.first(h.callable_bytes);
  frame.rest = body.subspan(h.callable_bytes);
  return frame;
}

std::span<const std::byte> task_loop::segment_body(const frame_header& h) {
  auto found = segments_.find(h.segment);
  if (found == segments_.end()) {
    auto arrived = end_.inbox->take(h.segment);
    found = segments_.emplace(h.segment, std::move(arrived)).first;
  }
  return {found->second.head(), static_cast<std::size_t>(h.body_bytes)};
}

bool task_loop::claim(position p) {
  const bool first = item_of(p) == 0;
  const auto phase = first ? claim_phase::claimed : claim_phase::started;
  // Sync point "worker claims": seq_cst store then seq_cst load; partner of the host's store of
  // recall, load of claim.
  end_.mine->claim.store(make_claim(p, phase), std::memory_order_seq_cst);
  BULKHEAD_HOOK("worker.claimed");
  if (end_.host->recall.load(std::memory_order_seq_cst) <= p)
    return false;
  BULKHEAD_HOOK("worker.checked");
  // Sync point "worker starts": for a dead process all stores count; a live host infers nothing
  // from its absence.
  if (first)
    end_.mine->claim.store(make_claim(p, claim_phase::started), std::memory_order_relaxed);
  std::atomic_signal_fence(std::memory_order_seq_cst);
  BULKHEAD_HOOK("worker.started");
  return true;
}

void task_loop::give_back(position p) {
  if (item_of(p) == 0)
    // release: what was started before is seen. acquire: the frames that are skipped.
    end_.mine->claim.store(make_claim(p, claim_phase::returned), std::memory_order_release);
  const auto end = end_.host->tail.load(std::memory_order_acquire);
  publish(answer_kind::returned, p, end, {});
  BULKHEAD_HOOK("worker.returned");
  // Up to the tail that was answered and no further: what the host has published since is run, or
  // given back, in its turn.
  skip_to(end);
}

void task_loop::skip_to(std::uint64_t sequence) {
  for (; next_ < sequence; ++next_) {
    frame_header h;
    std::memcpy(&h, end_.requests + (read_ & (end_.ring_bytes - 1)), sizeof h);
    if ((h.flags & segment_is_new) != 0)
      try {
        segment_body(h);                // take its descriptor off the socket
      } catch (const std::exception&) { // it is tried again when it is needed
      }
    if ((h.flags & segment_is_dropped) != 0)
      segments_.erase(h.segment);
    read_ += h.size;
  }
}

void task_loop::retire_if_grown() {
  if (retired_ || config_.max_memory == 0 || is_thread_
      || own_resident_bytes() <= inherited_bytes_ + config_.max_memory)
    return;
  retired_ = true;
  publish(answer_kind::grown, 0, 0, {});
}

bool task_loop::expired(const frame_header& h) { return h.deadline != 0 && now_ns() > h.deadline; }

std::span<const std::byte> task_loop::next_arguments(running_frame& frame) {
  auto length = frame.header.item_bytes;
  if (length == detail::varying_bytes) {
    std::memcpy(&length, frame.rest.data(), sizeof length);
    frame.rest = frame.rest.subspan(sizeof length);
  }
  const auto args = frame.rest.first(length);
  frame.rest = frame.rest.subspan(length);
  return args;
}

// False: the item has its answer.
bool task_loop::can_start(const running_frame& frame, position p) {
  failure f;
  if (!frame.refusal.empty()) {
    f.kind = failure_kind::too_large;
    f.message = "the worker cannot take the arguments: " + frame.refusal;
  } else if (expired(frame.header)) {
    f.kind = failure_kind::timeout;
    f.message = "the deadline had passed before the task could start";
  } else
    return true;
  answer_failure(p, f, 0);
  return false;
}

void task_loop::run_item(running_frame& frame, position p, std::uint32_t item) {
  if (!can_start(frame, p))
    return;
  const auto args = next_arguments(frame);
  const auto& h = frame.header;
  // Two looks at the clock cost as much as a short task, so only some of them are measured.
  const bool measure = slow_ || ++sampled_ >= 8 || h.items > 1 || h.limit != 0;
  const auto started = measure ? now_ns() : 0;
  std::optional<std::chrono::steady_clock::time_point> limit;
  if (h.limit != 0 || h.deadline != 0) {
    auto at = h.deadline != 0 ? h.deadline : INT64_MAX;
    if (h.limit != 0)
      at = std::min(at, started + h.limit);
    limit = std::chrono::steady_clock::time_point(std::chrono::nanoseconds(at));
  }
  context_.begin(p, h.task_id + item, h.attempt, limit);
  const auto before = config_.measures ? own_figures() : growth_figures{};
  const auto f = run_call_of(frame, args);
  if (config_.measures)
    tell_growth(p, before);
  std::uint64_t ran = 0;
  if (measure) {
    ran = static_cast<std::uint64_t>(std::max<std::int64_t>(1, now_ns() - started));
    slow_ = ran > 20'000;
    sampled_ = 0;
  }
  BULKHEAD_HOOK("worker.ran");
  tell_spans();
  if (f)
    answer_failure(p, *f, ran);
  else
    answer_result(p, ran);
}

void task_loop::tell_growth(position p, const growth_figures& before) {
  auto more = own_figures();
  for (std::size_t i = 0; i < more.size(); ++i)
    more[i] -= before[i];
  publish(answer_kind::measured, p, 0, std::as_bytes(std::span(more)));
}

// No failure: result_ has its result.
std::optional<failure> task_loop::run_call_of(running_frame& frame,
                                              std::span<const std::byte> args) {
  result_.clear();
  return failure_of_call([&] { call_stub(frame, args); });
}

void task_loop::call_stub(running_frame& frame, std::span<const std::byte> args) {
  wait_for_debugger({frame.header.module, frame.header.offset}, frame.callable);
  detail::reader callable{frame.callable, detail::reader_limits::trusted()};
  detail::reader in{args, detail::reader_limits::trusted()};
  callable.bring(&frame.descriptors);
  in.bring(&frame.descriptors);
  detail::stub_at({frame.header.module, frame.header.offset})(callable, in, result_);
}

/// Behind the results of the items before, which may be in a column.
void task_loop::tell_spans() {
  if (!context_.spans().any())
    return;
  const auto list = context_.spans().take();
  if (!list.bytes().empty())
    publish(answer_kind::spans, 0, 0, list.bytes());
}

void task_loop::answer_result(position p, std::uint64_t ran_ns) {
  auto rest = result_.bytes();
  if (rest.size() > config_.max_result_bytes) {
    failure f;
    f.kind = failure_kind::too_large;
    f.may_have_executed = true;
    f.message = "the result has " + std::to_string(rest.size()) + " bytes, more than the "
                + std::to_string(config_.max_result_bytes)
                + " of pool_options::queue_bytes; raise it or return less";
    answer_failure(p, f, ran_ns);
    return;
  }
  const std::uint16_t flags = result_.descriptors() != nullptr ? answer_has_parcel : 0;
  if (flags != 0 && !send_descriptors(p, ran_ns))
    return;
  const auto piece = end_.ring_bytes / 4;
  while (rest.size() > piece) {
    publish(answer_kind::part, p, result_.size(), rest.first(piece));
    rest = rest.subspan(piece);
  }
  publish(answer_kind::result, p, ran_ns, rest, flags);
  // One large result must not keep its memory for as long as the worker lives.
  if (result_.capacity() > (std::size_t{4} << 20))
    result_ = detail::buffer{};
}

// To the host's thread, which is in this process.
int task_loop::hand_over(const detail::descriptor_list& list) try {
  end_.returns->put(arrived_parcel{0, ++parcels_, list});
  return 0;
} catch (const std::bad_alloc&) {
  return ENOMEM;
}

// False: they could not be sent, and the item has its answer.
bool task_loop::send_descriptors(position p, std::uint64_t ran_ns) {
  const auto& list = *result_.descriptors();
  auto error = 0;
  if (end_.returns != nullptr)
    error = hand_over(list);
  else // a full socket has room as soon as the host has read the answers before this one
    error = send_parcel(end_.control, ++parcels_, list,
                        std::chrono::steady_clock::now() + parcel_patience);
  BULKHEAD_HOOK("worker.parcel_sent");
  if (error == 0)
    return true;
  failure f;
  f.kind = failure_kind::codec;
  f.may_have_executed = true;
  f.message = "the open descriptors of the result cannot be sent to the host: "
              + std::generic_category().message(error);
  answer_failure(p, f, ran_ns);
  return false;
}

void task_loop::answer_failure(position p, const failure& f, std::uint64_t ran_ns) {
  detail::buffer text;
  encode_failure(text, f);
  const auto most = end_.ring_bytes / 4;
  if (text.size() > most) { // ring_capacity is at least 64 KiB: only the texts can be so long
    auto shorter = f;
    shorter.message.resize(std::min<std::size_t>(shorter.message.size(), 2048));
    shorter.type.resize(std::min<std::size_t>(shorter.type.size(), 2048));
    text.clear();
    encode_failure(text, shorter);
  }
  publish(answer_kind::failed, p, ran_ns, text.bytes());
}

// Returns how many bytes are free.
std::size_t task_loop::wait_for_answer_room(std::size_t bytes) {
  std::size_t room = 0;
  // seq_cst: acquire against the host's reads, and the look-again of the sleep protocol.
  wait(
    [&] {
      room =
        end_.ring_bytes
        - static_cast<std::size_t>(written_ - end_.host->ans_head.load(std::memory_order_seq_cst));
      return room >= bytes;
    },
    false);
  return room;
}

void task_loop::publish(answer_kind kind, position where, std::uint64_t value,
                        std::span<const std::byte> payload, std::uint16_t flags) {
  publish_column(); // what ran before comes before
  answer_header h{};
  h.size = static_cast<std::uint32_t>(round_up_8(sizeof h + payload.size()));
  h.kind = kind;
  h.flags = flags;
  h.where = where;
  h.value = value;
  h.bytes = static_cast<std::uint32_t>(payload.size());
  wait_for_answer_room(h.size);
  auto* at = answers_end();
  std::memcpy(at, &h, sizeof h);
  if (!payload.empty())
    std::memcpy(at + sizeof h, payload.data(), payload.size());
  publish_written(h.size);
}

void task_loop::publish_written(std::uint32_t bytes) {
  written_ += bytes;
  BULKHEAD_HOOK("worker.written");
  // seq_cst: partner of the host's store of h_sleep before it looks again. Before the next claim.
  end_.mine->ans_tail.store(written_, std::memory_order_seq_cst);
  BULKHEAD_HOOK("worker.published");
  const auto epoch = end_.host->h_sleep.load(std::memory_order_seq_cst);
  if ((epoch & 1) == 0 || epoch == rung_epoch_)
    return;
  rung_epoch_ = epoch; // one system call per sleep
  const std::uint64_t one = 1;
  // EAGAIN: the counter is full of rings. Anything else: a task closed our descriptor, and the host
  // would not hear of this answer. It takes what is in the ring when the process has ended.
  if (::write(end_.event_fd, &one, sizeof one) < 0 && errno != EAGAIN && !is_thread_)
    ::_exit(exit_hung_up);
}

} // namespace bulkhead::runtime
