// The host's end of a channel whose worker writes what it likes into everything it can: its page,
// its ring, its indices, its claim. Whatever it does, each item ends exactly once: answered, or
// given back, or a casualty, or buried with a liar.
#include "runtime/channel/channel.hpp"
#include "runtime/channel/segment_inbox.hpp"
#include "runtime/outcome/failure_wire.hpp"
#include "tests/fuzz/require.hpp"

#include <fuzzer/FuzzedDataProvider.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

using namespace bulkhead;
using namespace bulkhead::runtime;

namespace {

constexpr std::size_t ring_bytes = 4096;

/// How often each item of a unit has ended; the unit's number is its place.
using entry = std::vector<int>;

class session {
public:
  explicit session(FuzzedDataProvider& input) : in_(input) {}

  void run() {
    while (in_.remaining_bytes() > 0 && !lied_ && units_.size() < 200)
      step();
    if (!lied_)
      drain(64);
    end();
    for (const auto& e : units_)
      require(std::ranges::all_of(e, [](int times) { return times == 1; }));
  }

private:
  void step() {
    switch (in_.ConsumeIntegralInRange(0, 9)) {
    case 0:
    case 1:
      return send();
    case 2:
      return recall();
    case 3:
      return drain(in_.ConsumeIntegralInRange<std::size_t>(0, 8));
    case 4:
      link_.arm() ? link_.disarm() : link_.request_task_stop(link_.flown().next());
      return;
    case 5:
    case 6:
      return say();
    case 7:
      return scribble();
    case 8:
      worker_.mine->claim = any_claim();
      return;
    case 9:
      worker_.mine->ans_tail = in_.ConsumeBool() ? in_.ConsumeIntegral<std::uint64_t>()
                                                 : tail() + in_.ConsumeIntegral<std::uint16_t>();
      worker_.mine->w_sleep = in_.ConsumeIntegral<std::uint8_t>();
    }
  }

  // The host.

  /// As the pool's detach: the items from `first` on leave the unit.
  auto giver() {
    return [this](unit& u, std::uint32_t first, const std::unique_ptr<unit>&) {
      end_items(u, first, u.items);
      u.items = first;
    };
  }

  void send() {
    auto u = std::make_unique<unit>();
    u->items = in_.ConsumeIntegralInRange<std::uint32_t>(1, 4);
    u->body.grow(in_.ConsumeIntegralInRange<std::size_t>(0, ring_bytes / 4));
    std::memset(u->body.data(), 0, u->body.size());
    u->id = units_.size();
    if (!link_.has_room(u->body.size()))
      return;
    units_.emplace_back(u->items);
    if (!link_.send(u, 0, -1, inbox_))
      units_.pop_back();
  }

  void recall() {
    auto& flown = link_.flown();
    if (flown.empty())
      return;
    auto from = flown.next();
    for (auto skip = in_.ConsumeIntegralInRange(0, 3); skip > 0; --skip)
      from = flown.after(from);
    flown.recall(from, giver());
  }

  void drain(std::size_t limit) {
    const auto result = link_.drain(limit, [this](const answer& a) { return take(a); });
    lied_ = result == channel::drained::bad;
  }

  bool take(const answer& a) {
    for (const auto byte : a.payload) // all of it lies in the ring
      sum_ += std::to_integer<unsigned>(byte);
    switch (a.kind) {
    case answer_kind::failed:
      if (failure f; !decode_failure(a.payload, f))
        return false;
      [[fallthrough]];
    case answer_kind::result:
      return take_result(a);
    case answer_kind::returned:
      return link_.flown().accept_returned(a.where, a.value, true, giver());
    default:
      return false;
    }
  }

  bool take_result(const answer& a) {
    const auto item = link_.flown().accept_result(a.where);
    if (!item)
      return false;
    require(item->work != nullptr && item->item < item->work->items);
    end_items(*item->work, item->item, item->item + 1);
    return true;
  }

  void end() {
    const auto casualty = [this](const std::unique_ptr<unit>& u, std::uint32_t item) {
      end_items(*u, item, item + 1);
    };
    if (lied_ || !link_.flown().bury(casualty, giver()))
      link_.flown().abandon(giver());
    require(link_.flown().empty());
  }

  void end_items(const unit& u, std::uint32_t first, std::uint32_t last) {
    require(first < last);
    auto& ended = units_[u.id];
    for (auto item = first; item < last; ++item)
      require(++ended[item] == 1);
  }

  // The worker.

  std::uint64_t tail() const { return worker_.mine->ans_tail; }
  std::byte* ring_at(std::uint64_t offset) { return worker_.answers + offset % ring_bytes; }

  position any_position() {
    const auto next = link_.flown().next();
    switch (in_.ConsumeIntegralInRange(0, 3)) {
    case 0:
      return next;
    case 1:
      return make_position(sequence_of(next) + in_.ConsumeIntegral<std::uint8_t>(), 0);
    case 2:
      return make_position(sequence_of(next), in_.ConsumeIntegral<std::uint8_t>());
    default:
      return in_.ConsumeIntegral<position>();
    }
  }

  std::uint64_t any_claim() {
    return make_claim(any_position(), static_cast<claim_phase>(in_.ConsumeIntegralInRange(0, 3)));
  }

  void say() {
    answer_header h{};
    h.kind = static_cast<answer_kind>(in_.ConsumeIntegralInRange(0, 8));
    h.where = any_position();
    h.value = in_.ConsumeBool() ? sequence_of(h.where) + in_.ConsumeIntegral<std::uint8_t>()
                                : in_.ConsumeIntegral<std::uint64_t>();
    const auto payload = in_.ConsumeBytes<std::byte>(in_.ConsumeIntegral<std::uint8_t>());
    h.bytes = static_cast<std::uint32_t>(payload.size());
    h.size = static_cast<std::uint32_t>(round_up_8(sizeof h + payload.size()));
    std::memcpy(ring_at(tail()), &h, sizeof h);
    std::ranges::copy(payload, ring_at(tail()) + sizeof h);
    worker_.mine->ans_tail = tail() + h.size;
  }

  void scribble() {
    const auto bytes = in_.ConsumeBytes<std::byte>(64);
    std::ranges::copy(bytes,
                      ring_at(in_.ConsumeBool() ? tail() : in_.ConsumeIntegral<std::uint16_t>()));
  }

  FuzzedDataProvider& in_;
  channel link_{ring_bytes, channel::peer::thread}; // a thread's pages can be written here
  segment_inbox inbox_;
  worker_port worker_ = link_.thread_end(inbox_);
  std::vector<entry> units_;
  bool lied_ = false;
  std::uint64_t sum_ = 0;
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzedDataProvider input{data, size};
  session{input}.run();
  return 0;
}
