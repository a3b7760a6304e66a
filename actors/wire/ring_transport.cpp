#include "actors/wire/ring_transport.hpp"

#include "runtime/system/bell.hpp"
#include "runtime/system/timespec.hpp"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <new>
#include <string>
#include <system_error>

namespace bulkhead::actors {

namespace {

using runtime::segment;

constexpr std::size_t length_bytes = 8; // the length field, which keeps pieces aligned

// A sleep's number: odd, so never zero; the leader's with this bit, which says which bell to ring.
constexpr std::uint32_t leader_bit = 2;
constexpr std::uint32_t next_sleep = 4;

// relaxed: only the largest total counts, and nothing is read on its word.
void raise(std::atomic<std::uint64_t>& largest, std::uint64_t value) noexcept {
  auto before = largest.load(std::memory_order_relaxed);
  while (before < value
         && !largest.compare_exchange_weak(before, value, std::memory_order_relaxed)) {
  }
}

constexpr std::size_t slot_bytes(std::size_t piece) noexcept {
  return length_bytes + ((piece + 7) & ~std::size_t{7});
}

// For somebody who is rung by one about to sleep. A write to a pipe tells the scheduler that
// (WF_SYNC), and the sleeper starts on the very core that becomes free; waking an idle core takes
// longer than most answers.
struct handover_bell {
  handover_bell() {
    int ends[2] = {-1, -1};
    if (::pipe2(ends, O_NONBLOCK | O_CLOEXEC) != 0)
      throw std::system_error(errno, std::generic_category(), "pipe2");
    listens = runtime::unique_fd{ends[0]};
    rings = runtime::unique_fd{ends[1]};
    ::fcntl(rings.get(), F_SETPIPE_SZ, 4096); // it may stay larger
  }
  runtime::unique_fd listens;
  runtime::unique_fd rings;
};

// Only what is known to be readable, or an end that no other process has.
void silence(int bell) noexcept {
  std::array<std::uint64_t, 64> rings;
  static_cast<void>(::read(bell, rings.data(), sizeof rings));
}

// Silences what rang. False: the deadline passed first.
bool listen(int bell, int local, transport::time_point deadline) noexcept {
  const auto limit = runtime::time_left(deadline);
  std::array<pollfd, 2> bells{{{bell, POLLIN, 0}, {local, POLLIN, 0}}};
  const auto forever = deadline == transport::time_point::max();
  if (::ppoll(bells.data(), bells.size(), forever ? nullptr : &limit, nullptr) <= 0)
    return false;
  for (const auto& b : bells)
    if (b.revents != 0)
      silence(b.fd);
  return true;
}

} // namespace

ring_transport::ring_transport(std::size_t ring_bytes)
  : own_(segment::make("bulkhead-actor-host", ring_words_bytes, ring_bytes,
                       segment::access::read_write)),
    peer_(segment::make("bulkhead-actor-worker", ring_words_bytes, ring_bytes,
                        segment::access::read_only)),
    own_bell_(runtime::make_bell("eventfd")), local_bell_(runtime::make_bell("eventfd")),
    ring_bytes_(ring_bytes) {
  handover_bell to_worker;
  peer_bell_ = std::move(to_worker.rings);
  peer_end_ = std::move(to_worker.listens);
  handover_bell to_leader;
  leader_bell_ = std::move(to_leader.listens);
  leader_end_ = std::move(to_leader.rings);
  own_.seal_writes();
  mine_ = new (own_.head()) ring_words{};
  mine_->version = ring_words::current_version;
  theirs_ = reinterpret_cast<const ring_words*>(peer_.head());
  out_ = own_.ring();
  in_ = peer_.ring();
  // Until it first looks, whatever the worker publishes must ring.
  mine_->asleep.store(sleeps_, std::memory_order_seq_cst);
}

ring_transport::ring_transport(std::vector<runtime::unique_fd>&& fds, std::size_t ring_bytes)
  : own_(segment::attach(std::move(fds.at(1)), ring_words_bytes, ring_bytes,
                         segment::access::read_write)),
    peer_(segment::attach(std::move(fds.at(0)), ring_words_bytes, ring_bytes,
                          segment::access::read_only)),
    own_bell_(std::move(fds.at(2))), peer_bell_(std::move(fds.at(3))),
    leader_bell_(std::move(fds.at(4))), local_bell_(runtime::make_bell("eventfd")),
    ring_bytes_(ring_bytes) {
  mine_ = reinterpret_cast<ring_words*>(own_.head()); // zero: a fresh segment
  mine_->version = ring_words::current_version;
  theirs_ = reinterpret_cast<const ring_words*>(peer_.head());
  out_ = own_.ring();
  in_ = peer_.ring();
}

std::vector<int> ring_transport::worker_fds() const {
  return {own_.fd(), peer_.fd(), peer_end_.get(), own_bell_.get(), leader_end_.get()};
}

// Not peer_end_: a pipe without a reader raises SIGPIPE.
void ring_transport::close_worker_fds() noexcept {
  own_.close_fd();
  peer_.close_fd();
  leader_end_.reset();
}

runtime::flight_recorder& ring_transport::own_recorder() noexcept {
  static_assert(sizeof(runtime::flight_recorder) <= rows_offset - recorder_offset);
  return *reinterpret_cast<runtime::flight_recorder*>(own_.head() + recorder_offset);
}

const runtime::flight_recorder& ring_transport::peer_recorder() const noexcept {
  return *reinterpret_cast<const runtime::flight_recorder*>(peer_.head() + recorder_offset);
}

std::span<actor_row> ring_transport::own_rows() noexcept {
  return {reinterpret_cast<actor_row*>(own_.head() + rows_offset), most_rows};
}

std::span<const actor_row> ring_transport::peer_rows() const noexcept {
  return {reinterpret_cast<const actor_row*>(peer_.head() + rows_offset), most_rows};
}

std::span<turn_note> ring_transport::own_turns() noexcept {
  return {reinterpret_cast<turn_note*>(own_.head() + turns_offset), most_turns};
}

std::span<const turn_note> ring_transport::peer_turns() const noexcept {
  return {reinterpret_cast<const turn_note*>(peer_.head() + turns_offset), most_turns};
}

std::size_t ring_transport::max_piece() const noexcept { return ring_bytes_ / 4 - length_bytes; }

std::size_t ring_transport::most_pieces() const noexcept { return ring_bytes_ / slot_bytes(1); }

// A lying peer only makes the ring look full or scribbled.
std::size_t ring_transport::room() const noexcept {
  const auto used = tail_ - peer_head_;
  return used > ring_bytes_ ? 0 : ring_bytes_ - used;
}

// seq_cst on both sides of each flag: publish (tail), then look at the flag (asleep); set the flag,
// then look at what is published. In the single order of these four one of the looks is last and
// sees the other's store, so a piece is seen or a bell is rung. Each sleep has a number, and one
// ring for it is enough: who hears it looks at everything before it sleeps again.
bool ring_transport::try_push(std::span<const std::byte> piece) {
  const auto need = slot_bytes(piece.size());
  if (need > room()) {
    // seq_cst: partner of the peer's head store, after our wish; see want_wake.
    peer_head_ = theirs_->head.load(std::memory_order_seq_cst);
    if (need > room())
      return false;
  }
  auto* at = out_ + tail_ % ring_bytes_;
  const std::uint64_t length = piece.size();
  std::memcpy(at, &length, sizeof length);
  std::memcpy(at + length_bytes, piece.data(), piece.size());
  tail_ += need;
  pushed_.fetch_add(1, std::memory_order_relaxed); // read by the host itself only
  mine_->tail.store(tail_, std::memory_order_seq_cst);
  const auto sleep = theirs_->asleep.load(std::memory_order_seq_cst);
  if (sleep != 0 && sleep != rung_) {
    rung_ = sleep;
    // Never blocks: an end of a pipe has its flags for itself, so the worker cannot change ours.
    runtime::ring(((sleep & leader_bit) != 0 ? leader_bell_ : peer_bell_).get());
  }
  return true;
}

// The caller tries again after this. seq_cst: wish, then look at head and granted; the peer stores
// those, then looks at the wish. Room counts when half of the ring is free: one ring for many
// pieces.
void ring_transport::want_wake() noexcept {
  const auto half = ring_bytes_ / 2;
  mine_->room_at.store(tail_ > half ? tail_ - half : 0, std::memory_order_relaxed);
  mine_->wishes.store(wishes_.fetch_add(1, std::memory_order_relaxed) + 1,
                      std::memory_order_seq_cst);
}

// seq_cst: partner of want_wake. Relaxed: which of two threads rings is all that seen_wishes_
// decides.
void ring_transport::ring_if_wished() noexcept {
  const auto wished = theirs_->wishes.load(std::memory_order_seq_cst);
  if (seen_wishes_.load(std::memory_order_relaxed) != wished
      && seen_wishes_.exchange(wished, std::memory_order_relaxed) != wished)
    runtime::ring(peer_bell_.get());
}

// The wish stays open until there is room enough. seq_cst: as in ring_if_wished; room_at was
// written before the wish, and head_ is this thread's own.
void ring_transport::ring_if_room() noexcept {
  if (seen_wishes_.load(std::memory_order_relaxed)
        != theirs_->wishes.load(std::memory_order_seq_cst)
      && head_.load(std::memory_order_relaxed) >= theirs_->room_at.load(std::memory_order_relaxed))
    ring_if_wished();
}

// Relaxed: a count; what it counts is ordered by tail.
std::uint64_t ring_transport::pushed() const noexcept {
  return pushed_.load(std::memory_order_relaxed);
}

// A number beyond ours is a lie; then everything counts as seen, which promises nothing.
std::uint64_t ring_transport::peer_popped() const noexcept {
  return std::min(theirs_->popped.load(std::memory_order_acquire), pushed());
}

// seq_cst: asked again after `asleep` was stored; partner of the peer's store of tail, before which
// it writes the piece. Relaxed: head_ moves in the reader's turn alone.
bool ring_transport::has_piece() const noexcept {
  return theirs_->tail.load(std::memory_order_seq_cst) != head_.load(std::memory_order_relaxed);
}

// Relaxed: a hint for who decides whether to wait a little longer.
bool ring_transport::peer_sleeps() const noexcept {
  return theirs_->asleep.load(std::memory_order_relaxed) != 0;
}

// False: the peer's ring makes no sense. Length 0 and true: nothing there.
bool ring_transport::next(std::size_t& length) noexcept {
  const auto head = head_.load(std::memory_order_relaxed); // moves in the reader's turn alone
  length = 0;
  if (peer_tail_ == head) {
    // acquire at least: partner of the peer's tail store, before which it wrote the piece.
    peer_tail_ = theirs_->tail.load(std::memory_order_seq_cst);
    if (peer_tail_ == head)
      return true;
  }
  const auto available = peer_tail_ - head;
  std::uint64_t stated = 0;
  if (available > ring_bytes_ || available % 8 != 0)
    return false;
  std::memcpy(&stated, in_ + head % ring_bytes_, sizeof stated);
  if (stated == 0 || stated > max_piece() || slot_bytes(stated) > available)
    return false;
  length = stated;
  return true;
}

bool ring_transport::pop(std::size_t limit, const taker& take, std::size_t& popped) {
  for (popped = 0; popped < limit; ++popped) {
    std::size_t length = 0;
    if (!next(length))
      return false;
    if (length == 0)
      break;
    const auto head = head_.load(std::memory_order_relaxed); // as in next()
    const auto* at = in_ + head % ring_bytes_ + length_bytes;
    piece_.assign(at, at + length);
    // `popped` before `head`: whoever sees the space sees the count. Both before take().
    mine_->popped.store(++popped_, std::memory_order_release);
    head_.store(head + slot_bytes(length), std::memory_order_relaxed);
    mine_->head.store(head + slot_bytes(length), std::memory_order_seq_cst);
    ring_if_room();
    take(piece_);
  }
  return true;
}

void ring_transport::grant(std::uint64_t total, std::uint64_t bytes) noexcept {
  raise(granted_, total);
  raise(granted_bytes_, bytes);
  // A slower thread may store an older number; the newer one's wish, or the next grant, mends it.
  // The bytes first: who is woken by the second store sees both.
  mine_->granted_bytes.store(granted_bytes_.load(std::memory_order_relaxed),
                             std::memory_order_seq_cst);
  mine_->granted.store(granted_.load(std::memory_order_relaxed), std::memory_order_seq_cst);
  ring_if_wished();
}

// seq_cst, both: looked at again after the wish was stored; see want_wake.
std::uint64_t ring_transport::granted_bytes() const noexcept {
  return theirs_->granted_bytes.load(std::memory_order_seq_cst);
}

// seq_cst: see granted_bytes.
std::uint64_t ring_transport::granted() const noexcept {
  return theirs_->granted.load(std::memory_order_seq_cst);
}

void ring_transport::wake() noexcept {
  // release: what it was called for is visible to whoever sees the flag.
  woken_.store(true, std::memory_order_release);
  runtime::ring(local_bell_.get());
}

void ring_transport::hush() noexcept { runtime::hush(own_bell_.get()); }

// seq_cst: asleep, then the look for a piece; the peer stores tail, then looks at asleep.
bool ring_transport::fall_asleep() noexcept {
  sleeps_ += next_sleep;
  mine_->asleep.store(sleeps_, std::memory_order_seq_cst);
  return has_piece();
}

// release: late at worst, and then it is rung for nothing.
void ring_transport::stay_awake() noexcept { mine_->asleep.store(0, std::memory_order_release); }

void ring_transport::spin_at_most(std::chrono::nanoseconds longest) noexcept {
  spinner_ = runtime::spinner{longest};
}

// acquire at woken_: what wake() was called for is seen. Relaxed where it only ends a spin, or is
// taken back before the next look at what it is for.
void ring_transport::wait(until what, time_point deadline) {
  if (what == until::piece_or_wake
      && spinner_.spin([this] { return has_piece() || woken_.load(std::memory_order_relaxed); })) {
    if (woken_.exchange(false, std::memory_order_acquire))
      silence(local_bell_.get());
    return;
  }
  // A peer that waits for us to take nothing more need not ring for pieces.
  if (what == until::piece_or_wake && fall_asleep()) {
    stay_awake();
    return;
  }
  if (!woken_.load(std::memory_order_acquire))
    listen(own_bell_.get(), local_bell_.get(), deadline);
  stay_awake();
  woken_.store(false, std::memory_order_relaxed);
}

// seq_cst: as in fall_asleep; wait_as_leader looks for a piece afterwards.
void ring_transport::sleep_as_leader() noexcept {
  sleeps_ += next_sleep;
  mine_->asleep.store(sleeps_ | leader_bit, std::memory_order_seq_cst);
}

bool ring_transport::wait_as_leader(time_point deadline) noexcept {
  if (!sleeps_as_leader())
    sleep_as_leader();
  bool rung = has_piece();
  if (rung)
    silence(leader_bell_.get()); // rung for that piece
  else
    rung = listen(leader_bell_.get(), local_bell_.get(), deadline);
  stay_awake();
  return rung;
}

// Relaxed: our own word.
bool ring_transport::sleeps_as_leader() const noexcept {
  return (mine_->asleep.load(std::memory_order_relaxed) & leader_bit) != 0;
}

// Relaxed: a number, compared with an earlier one.
std::uint64_t ring_transport::peer_beat() const noexcept {
  return theirs_->beat.load(std::memory_order_relaxed);
}

} // namespace bulkhead::actors
