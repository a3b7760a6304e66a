#include "runtime/channel/channel.hpp"

#include "runtime/system/bell.hpp"
#include "runtime/system/futex.hpp"
#include "runtime/system/packet_socket.hpp"
#include "runtime/testing/hooks.hpp"

#include <bulkhead/detail/validated.hpp>

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <new>
#include <random>
#include <system_error>

namespace bulkhead::runtime {

using detail::validated;

namespace {

/// Random, so that zeroed memory and remains of an earlier worker are no valid claim.
std::uint64_t random_base() {
  std::random_device device;
  const auto high = std::uint64_t{device()} << 32;
  return 1 + ((high | device()) >> 24); // below 2^40 + 1
}

/// Segments kept for a worker's arguments; beyond that they are dropped after use.
constexpr std::size_t kept_argument_bytes = std::size_t{256} << 20;

} // namespace

channel::channel(std::size_t ring_capacity, peer kind)
  : host_(segment::make("bulkhead-host", page_bytes, ring_capacity, segment::access::read_write)),
    worker_(segment::make("bulkhead-worker", page_bytes, ring_capacity,
                          kind == peer::thread ? segment::access::read_write
                                               : segment::access::read_only)),
    event_(make_bell("eventfd for a worker")), mine_(new(host_.head()) host_page{}),
    theirs_(reinterpret_cast<const worker_page*>(worker_.head())), base_(random_base()),
    flight_(*mine_, *theirs_, base_), segments_(kept_argument_bytes) {
  mine_->recall.store(no_position, std::memory_order_relaxed);
  mine_->tail.store(base_, std::memory_order_release); // nobody looks yet
  host_.seal_writes();
}

worker_port channel::thread_end(segment_inbox& inbox) noexcept {
  return {mine_,
          reinterpret_cast<worker_page*>(worker_.head()),
          host_.ring(),
          worker_.ring(),
          host_.ring_bytes(),
          event_.get(),
          &inbox};
}

void channel::close_segment_fds() noexcept {
  host_.close_fd();
  worker_.close_fd();
}

// A frame must fit into the smallest ring beside another one.
bool channel::goes_inline(std::size_t body_bytes) const noexcept {
  return body_bytes < std::min(argument_segments::threshold, host_.ring_bytes() / 4);
}

bool channel::has_room(std::size_t body_bytes) const noexcept {
  if (!flight_.may_publish())
    return false;
  const auto inline_body = goes_inline(body_bytes) ? body_bytes : 0;
  const auto size = round_up_8(sizeof(frame_header) + inline_body);
  return host_.ring_bytes() - (write_ - flight_.freed()) >= size;
}

frame_header channel::make_header(const unit& u, std::int64_t limit,
                                  std::uint64_t task_id) const noexcept {
  frame_header h{};
  h.kind = frame_kind::task;
  h.sequence = flight_.sent();
  h.module = u.stub.module;
  h.offset = u.stub.offset;
  h.task_id = task_id;
  h.deadline =
    u.deadline == time_point::max()
      ? 0
      : std::max<std::int64_t>(1, std::chrono::nanoseconds(u.deadline.time_since_epoch()).count());
  h.limit = limit;
  h.body_bytes = u.body.size();
  h.items = u.items;
  h.callable_bytes = u.callable_bytes;
  h.attempt = u.attempt;
  return h;
}

bool channel::send_segment(const argument_segments::lease& lease, int control,
                           segment_inbox& inbox) const noexcept try {
  if (control < 0) {
    unique_fd copy{::fcntl(lease.fd, F_DUPFD_CLOEXEC, 0)};
    if (!copy)
      return false;
    inbox.put(lease.id, std::move(copy), lease.bytes);
    return true;
  }
  const std::array<std::uint64_t, 2> what{lease.id, lease.bytes};
  return packet_socket::send_now(control, std::as_bytes(std::span(what)), {&lease.fd, 1}) == 0;
} catch (const std::bad_alloc&) { // the inbox of a thread
  return false;
}

// All that can fail comes before the first lasting change: bytes that lie in the ring unpublished
// would be taken for the next frame.
bool channel::send(unit& u, std::int64_t limit, std::uint64_t task_id, int control,
                   segment_inbox& inbox) {
  auto header = make_header(u, limit, task_id);
  if (!flight_.prepare())
    return false;
  if (!write_body(u, header, control, inbox)) {
    flight_.undo_prepare();
    return false;
  }
  std::memcpy(ring_end(), &header, sizeof header);
  write_ += header.size;
  BULKHEAD_HOOK("host.written");
  u.sequence = flight_.publish(u, u.items, write_);
  BULKHEAD_HOOK("host.published");
  ring();
  return true;
}

// Behind where the header goes, or into a segment. Fills in what the header says of it.
bool channel::write_body(const unit& u, frame_header& header, int control,
                         segment_inbox& inbox) try {
  header.size = sizeof header;
  if (goes_inline(u.body.size())) {
    header.size = static_cast<std::uint32_t>(round_up_8(sizeof header + u.body.size()));
    std::memcpy(ring_end() + sizeof header, u.body.data(), u.body.size());
    return true;
  }
  const auto lease = segments_.acquire(u.body.size(), header.sequence);
  header.flags = body_in_segment;
  header.segment = lease.id;
  if (lease.drop_after)
    header.flags = static_cast<std::uint16_t>(header.flags | segment_is_dropped);
  std::memcpy(lease.data, u.body.data(), u.body.size());
  if (lease.fd < 0)
    return true;
  header.flags = static_cast<std::uint16_t>(header.flags | segment_is_new);
  if (send_segment(lease, control, inbox))
    return true;
  segments_.undo_acquire();
  return false;
} catch (const std::bad_alloc&) {
  return false;
} catch (const std::system_error&) {
  return false;
}

channel::peeked channel::peek(answer& a) noexcept {
  if (known_tail_ == read_) {
    // seq_cst: the sleeper sets its flag before this look (see "Sleep" in docs/wire_format.md); the
    // answers' bytes come before it. A hint from the worker, so its range is checked.
    const auto tail = theirs_->ans_tail.load(std::memory_order_seq_cst);
    if (tail == read_)
      return peeked::none;
    if (!validated("ring.tail_in_ring", tail - read_ <= worker_.ring_bytes())
        || !validated("ring.tail_aligned", tail % 8 == 0))
      return peeked::bad;
    known_tail_ = tail;
  }
  const auto available = known_tail_ - read_;
  const auto* at = worker_.ring() + (read_ & (worker_.ring_bytes() - 1));
  answer_header h;
  std::memcpy(&h, at, sizeof h); // once; only the copy is checked and used. All of it is mapped
  if (!validated("answer.size_least", h.size >= sizeof h)
      || !validated("answer.size_published", h.size <= available)
      || !validated("answer.size_aligned", h.size % 8 == 0)
      || !validated("answer.payload_inside", h.bytes <= h.size - sizeof h))
    return peeked::bad;
  a = {h.kind, h.where, h.value, {at + sizeof h, h.bytes}};
  peeked_size_ = h.size;
  return peeked::some;
}

void channel::release() noexcept {
  if (consumed_.load(std::memory_order_relaxed) == read_)
    return;
  segments_.release_below(sequence_of(flight_.next()));
  consumed_.store(read_, std::memory_order_relaxed);
  // seq_cst: partner of the worker's sleep flag; it may sleep for answer space.
  mine_->ans_head.store(read_, std::memory_order_seq_cst);
  BULKHEAD_HOOK("host.drained");
  ring();
}

void channel::ring() noexcept {
  // seq_cst: partner of the worker's store of w_sleep before it looks again.
  const auto epoch = theirs_->w_sleep.load(std::memory_order_seq_cst);
  if ((epoch & 1) == 0 || epoch == rung_epoch_)
    return;
  rung_epoch_ = epoch;
  mine_->bell.store(++bell_, std::memory_order_seq_cst);
  futex_wake_all(mine_->bell, true);
}

bool channel::arm() noexcept {
  if (!armed())
    // seq_cst: the worker's publish and this store are ordered; one side sees the other.
    mine_->h_sleep.store(++sleep_epoch_, std::memory_order_seq_cst);
  return theirs_->ans_tail.load(std::memory_order_seq_cst) == read_;
}

void channel::disarm() noexcept {
  if (armed())
    mine_->h_sleep.store(++sleep_epoch_, std::memory_order_release);
}

void channel::request_stop() noexcept {
  mine_->stop.store(1, std::memory_order_seq_cst);
  ring();
}

void channel::request_task_stop(position p) noexcept {
  mine_->stop_task.store(p, std::memory_order_release);
}

} // namespace bulkhead::runtime
