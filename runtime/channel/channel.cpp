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
#include <cstddef>
#include <cstring>
#include <new>
#include <random>
#include <system_error>

// The host's end of a channel, under the pool's lock. Everything that the worker writes is read
// once into a copy, the copy is checked, and only the copy is used; each shared word that the host
// writes has a private twin which it reads instead.
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
  // After the host has its own writable map: from here on nobody can make another one.
  host_.seal_writes();
}

worker_port channel::thread_end(segment_inbox& inbox, parcel_box* returns) noexcept {
  return {mine_,
          reinterpret_cast<worker_page*>(worker_.head()),
          host_.ring(),
          worker_.ring(),
          host_.ring_bytes(),
          event_.get(),
          &inbox,
          -1,
          returns};
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

frame_header channel::make_header(const unit& u, std::int64_t limit) const noexcept {
  frame_header h{};
  h.kind = frame_kind::task;
  h.sequence = flight_.sent();
  h.module = u.stub.module;
  h.offset = u.stub.offset;
  h.task_id = u.id;
  h.deadline =
    u.deadline == time_point::max()
      ? 0
      : std::max<std::int64_t>(1, std::chrono::nanoseconds(u.deadline.time_since_epoch()).count());
  h.limit = limit;
  h.body_bytes = u.body.size();
  h.items = u.items;
  h.callable_bytes = u.callable_bytes;
  h.item_bytes = u.item_bytes;
  h.result_bytes = u.result_bytes;
  h.attempt = u.attempt;
  const bool is_limited = limit != 0 || h.deadline != 0
                          || (u.options && u.options->soft_timeout != std::chrono::nanoseconds{0});
  if (u.items == 1 || is_limited)
    return h;
  h.flags = answer_in_columns;
  h.loop_offset = u.loop.module == u.stub.module ? u.loop.offset : 0;
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
  const packet_head what{lease.id, packet_kind::segment, lease.bytes};
  return packet_socket::send_now(control, std::as_bytes(std::span{&what, 1}), {&lease.fd, 1}) == 0;
} catch (const std::bad_alloc&) { // the inbox of a thread
  return false;
}

// What was sent for a frame that then is not is dropped by the worker with the next parcel.
bool channel::send_descriptors(const unit& u, frame_header& header, int control,
                               segment_inbox& inbox) try {
  const auto* list = u.body.descriptors();
  if (list == nullptr)
    return true;
  header.flags = static_cast<std::uint16_t>(header.flags | frame_has_parcel);
  header.parcel = ++parcels_;
  if (control >= 0)
    return send_parcel(control, header.parcel, *list, std::chrono::steady_clock::now()) == 0;
  inbox.put(arrived_parcel{0, header.parcel, *list});
  return true;
} catch (const std::bad_alloc&) { // the inbox of a thread
  return false;
}

// All that can fail comes before the first lasting change: bytes that lie in the ring unpublished
// would be taken for the next frame.
bool channel::send(std::unique_ptr<unit>& u, std::int64_t limit, int control,
                   segment_inbox& inbox) {
  auto header = make_header(*u, limit);
  if (!flight_.prepare())
    return false;
  if (!send_descriptors(*u, header, control, inbox) || !write_body(*u, header, control, inbox)) {
    flight_.undo_prepare();
    return false;
  }
  std::memcpy(ring_end(), &header, sizeof header);
  write_ += header.size;
  BULKHEAD_HOOK("host.written");
  u->sequence = flight_.sent(); // what publish() will give it
  flight_.publish(std::move(u), write_);
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
  header.flags = static_cast<std::uint16_t>(header.flags | body_in_segment);
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
  a = {h.kind,
       h.where,
       h.value,
       h.items,
       {at + sizeof h, h.bytes},
       (h.flags & answer_has_parcel) != 0};
  peeked_size_ = h.size;
  return peeked::some;
}

std::optional<answer> channel::unpublished() const noexcept {
  // acquire: a claim that was stored behind a published answer has been read before.
  if (theirs_->ans_tail.load(std::memory_order_acquire) != read_)
    return std::nullopt;
  const auto* at = worker_.ring() + (read_ & (worker_.ring_bytes() - 1));
  answer a{};
  std::memcpy(&a.kind, at + offsetof(answer_header, kind), sizeof a.kind);
  std::memcpy(&a.where, at + offsetof(answer_header, where), sizeof a.where);
  a.payload = {at + sizeof(answer_header), worker_.ring_bytes() - sizeof(answer_header)};
  return a;
}

void channel::release() noexcept {
  // Relaxed: written here alone; whoever asks has_answers() with an old number looks once more.
  if (consumed_.load(std::memory_order_relaxed) == read_)
    return;
  // Before ans_head goes up: the frames below are answered, and their bodies read.
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
  // seq_cst: before the wake; the worker reads the bell before it stores its sleep flag.
  mine_->bell.store(++bell_, std::memory_order_seq_cst);
  futex_wake_all(mine_->bell, true);
}

bool channel::arm() noexcept {
  if (!armed())
    // seq_cst: the worker's publish and this store are ordered; one side sees the other.
    mine_->h_sleep.store(++sleep_epoch_, std::memory_order_seq_cst);
  return theirs_->ans_tail.load(std::memory_order_seq_cst) == read_;
}

// release: late at worst, and then it is rung for nothing.
void channel::disarm() noexcept {
  if (armed())
    mine_->h_sleep.store(++sleep_epoch_, std::memory_order_release);
}

// seq_cst: stop, then ring() looks whether the worker sleeps; it looks at stop after its sleep
// flag.
void channel::request_stop() noexcept {
  mine_->stop.store(1, std::memory_order_seq_cst);
  ring();
}

// release: late at worst; the task asks again.
void channel::request_task_stop(position p) noexcept {
  mine_->stop_task.store(p, std::memory_order_release);
}

} // namespace bulkhead::runtime
