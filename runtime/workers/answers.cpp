#include "runtime/workers/answers.hpp"

#include "runtime/channel/span_list.hpp"
#include "runtime/dispatch/copy_column.hpp"
#include "runtime/outcome/failure_of.hpp"
#include "runtime/outcome/failure_wire.hpp"
#include "runtime/system/proc_stat.hpp"

#include <bulkhead/detail/validated.hpp>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>
#include <string>
#include <utility>

// Where the host believes a worker, and nowhere else. Whoever leads comes here, or the runtime
// thread, always under the pool's lock. An answer is compared with what was sent before anything is
// changed by it; each check has a name, by which validation_breaks_test takes it away.
namespace bulkhead::runtime {

using detail::validated;

namespace {

/// Answers of one worker taken in one turn, so that a flooding one does not starve the others.
constexpr std::size_t answers_a_turn = 512;

/// What a worker says beyond it is no running time.
constexpr std::uint64_t longest_ran_ns = UINT64_C(1) << 40;

} // namespace

// Nothing that is called from here adds or removes workers.
bool answers::drain_all() {
  bool more = false;
  // Debts first: whatever lacked memory for a timer or a launch has rung the bell, and this drain
  // is the answer.
  pool_.ticks.pay();
  pay_debts_();
  for (const auto& slot : pool_.slots)
    if (slot->link.has_answers())
      more |= drain(*slot);
  sender_.pump();
  return more;
}

bool answers::drain(worker_slot& slot) {
  if (slot.gone())
    return false;
  auto result = channel::drained::all;
  try {
    result = slot.link.drain(answers_a_turn, [&](const answer& a) {
      pool_is_locked();
      return take(slot, a);
    });
  } catch (const std::bad_alloc&) { // the answer waits in the ring
    pool_.ticks.retry_soon();
    return false;
  }
  if (result == channel::drained::bad)
    found_bad(slot);
  else if (slot.busy())
    sender_.plan_looks(slot);
  return result == channel::drained::more;
}

void answers::found_bad(worker_slot& slot) {
  slot.lied = true; // its death decides what becomes of the rest
  slot.advance(worker_phase::gone);
  sender_.kill(slot, exit_cause::bad_message);
}

// The claim tells how far its column is; docs/wire_format.md, "Columns". A worker that goes on
// meanwhile publishes, which is seen behind the claim: then once more, a few times.
void answers::drain_unpublished(worker_slot& slot) {
  for (int turn = 0; turn < 4; ++turn) {
    while (drain(slot)) {
    }
    const auto& flown = slot.link.flown();
    if (slot.gone() || flown.empty())
      return;
    // acquire: all that was written before this claim can be read, and its answers' index.
    const auto claim = slot.link.worker_words().claim.load(std::memory_order_acquire);
    const auto at = position_of(claim);
    if (sequence_of(at) != sequence_of(flown.next()) || at <= flown.next())
      return;
    const auto column = slot.link.unpublished();
    if (!column)
      continue;
    const auto ready = static_cast<std::uint32_t>(item_of(at) - item_of(flown.next()));
    try {
      if (!take_unpublished(slot, *column, ready))
        found_bad(slot);
      // The results were taken without the worker's bell, so a leader that waits for them has to be
      // woken.
      pool_.waiting.wake_leader();
    } catch (const std::bad_alloc&) { // it stays where it is
      pool_.ticks.retry_soon();
    }
    return;
  }
}

// Takes an answer or leaves everything as it was: bad_alloc only before anything has changed. Each
// answer brings an end nearer (an item, bytes of a bounded result, or a state that comes once), so
// no worker can keep the host busy with answers that say nothing.
bool answers::take(worker_slot& slot, const answer& a) {
  if (a.kind != answer_kind::column)
    slot.column_taken = 0; // whatever it was, it is not published
  switch (a.kind) {
  case answer_kind::result:
    return take_result(slot, a);
  case answer_kind::failed:
    return take_failed(slot, a);
  case answer_kind::part:
    return take_part(slot, a);
  case answer_kind::returned:
    return take_returned(slot, a);
  case answer_kind::ready:
    return take_ready(slot, a);
  case answer_kind::grown:
    return take_grown(slot);
  case answer_kind::column:
    return take_column(slot, a);
  case answer_kind::unfit:
    return take_unfit(slot, a);
  case answer_kind::spans:
    return take_spans(slot, a);
  case answer_kind::measured:
    return take_measured(slot, a);
  }
  return validated("answer.kind", false);
}

bool answers::take_ready(worker_slot& slot, const answer& a) {
  if (!validated("ready.once", !slot.ready))
    return false;
  // From here on the limits of tasks hold; before, ready_within counted from its birth.
  slot.ready = true;
  slot.watch.ready();
  // What it had before its initializer ran (preloaded, a copy of the host's) is not its doing. Its
  // word counts as far as its memory of now bears it out.
  if (pool_.options.max_memory_per_worker != 0 && slot.process)
    slot.inherited_bytes = std::min<std::uint64_t>(a.value, resident_bytes(slot.pid()));
  pool_.intensity.on_ready();
  news_.tell(event_kind::ready, slot, {}, "serves");
  return true;
}

bool answers::take_grown(worker_slot& slot) {
  if (!validated("grown.ready", slot.ready)
      || !validated("grown.limited", pool_.options.max_memory_per_worker != 0)
      || !validated("grown.once", !slot.grown))
    return false;
  slot.grown = true;
  sender_.retire(slot);
  return true;
}

// Once for each item, before its answer: so it brings the end nearer as the others do.
bool answers::take_measured(worker_slot& slot, const answer& a) {
  const auto& flown = slot.link.flown();
  growth_book::figures more{};
  const bool expected = pool_.options.measure_growth && !flown.empty() && a.where == flown.next()
                        && flown.is_sent(a.where) && a.where != slot.measured
                        && a.payload.size() == sizeof more;
  if (!validated("measured.expected", expected))
    return false;
  slot.measured = a.where;
  std::memcpy(more.data(), a.payload.data(), std::min(a.payload.size(), sizeof more));
  if (const auto* u = flown.front(); u != nullptr)
    pool_.growth.add(what_calls(*u), more);
  return true;
}

bool answers::take_unfit(worker_slot& slot, const answer& a) {
  if (!validated("unfit.before_ready", !slot.ready)
      || !validated("unfit.once", slot.unfit.empty() && !a.payload.empty()))
    return false;
  const auto* text = reinterpret_cast<const char*>(a.payload.data());
  const std::string copy{text, a.payload.size()}; // the worker may change it meanwhile
  slot.unfit = printable(copy);
  return true;
}

// They are shown and nothing rests on them: only their form and their number are checked. One
// answer with them comes for each item at most, before its result or behind it.
bool answers::take_spans(worker_slot& slot, const answer& a) {
  detail::buffer copy; // read once: the worker may change it meanwhile
  copy.append(a.payload.data(), a.payload.size());
  std::vector<detail::task_span> spans;
  if (!validated("spans.form", read_spans(copy.bytes(), spans))
      || !validated("spans.once", slot.spans_told <= slot.done))
    return false;
  ++slot.spans_told;
  if (!pool_.onlooker)
    return true;
  for (auto& s : spans) {
    const auto name = printable(s.name);
    s.name = name;
    pool_.onlooker->span_ended(slot.id, s);
  }
  return true;
}

bool answers::take_part(worker_slot& slot, const answer& a) {
  const auto& flown = slot.link.flown();
  const auto most = pool_.options.queue_bytes;
  // Neither can overflow: what was kept is bounded by queue_bytes and a payload by the ring.
  const auto total = slot.partial.size + a.payload.size();
  if (!validated("part.in_flight", !flown.empty())
      || !validated("part.position", a.where == flown.next())
      || !validated("part.not_taken", flown.is_sent(a.where))
      || !validated("part.not_empty", !a.payload.empty())
      || !validated("part.total", total <= most))
    return false;
  const bool fits = validated("part.whole", a.value <= most);
  keep_part(slot.partial, a.payload, fits ? static_cast<std::size_t>(a.value) : most);
  slot.partial.of = a.where;
  return true;
}

// `whole`: of the result, if the worker does not lie: one allocation.
void answers::keep_part(partial_result& partial, std::span<const std::byte> part,
                        std::size_t whole) noexcept {
  partial.size += part.size();
  if (partial.lost)
    return;
  try {
    if (partial.none())
      partial.bytes.reserve(whole);
    partial.bytes.append(part.data(), part.size());
  } catch (const std::bad_alloc&) {
    partial.bytes = {};
    partial.lost = true;
  }
}

void answers::take_large(worker_slot& slot, unit& u, std::uint32_t item) noexcept {
  // Taken out before the outcome is told, so that no later answer finds parts of this one.
  auto result = std::exchange(slot.partial, {});
  if (result.lost) {
    auto f = failure_of(failure_kind::too_large, "the host has no memory for the result");
    f.may_have_executed = true;
    ends_.fail(u, item, std::move(f), task_place::sent);
    return;
  }
  ends_.succeed(u, item);
  u.sink->on_large_value(u.first_item + item, std::move(result.bytes));
  pool_.ticks.need(clock::now() + 2 * detail::idle_memory); // what is kept of it may go then
}

// take_result has seen that they came, unless this process has no room for them.
void answers::take_described(worker_slot& slot, unit& u, std::uint32_t item, const answer& a,
                             arrived_parcel parcel) noexcept {
  keep_part(slot.partial, a.payload, 0);
  const auto most = pool_.options.max_shared_result;
  bool too_much = false;
  if (parcel.error == 0)
    try {
      slot.partial.bytes.attach_all(&parcel.list);
      too_much = most != 0 && memory_behind(parcel.list) > most;
    } catch (const std::bad_alloc&) {
      parcel.error = ENOMEM;
    }
  if (parcel.error == 0 && !too_much)
    return take_large(slot, u, item);
  slot.partial = {};
  auto f = too_much
             ? failure_of(failure_kind::too_large, "the result brings more shared memory than the "
                                                     + std::to_string(most)
                                                     + " bytes of pool_options::max_shared_result")
             : failure_of(failure_kind::codec,
                          "the host cannot take the open descriptors of the result: it has "
                          "no free descriptor (RLIMIT_NOFILE) or no memory");
  f.may_have_executed = true;
  ends_.fail(u, item, std::move(f), task_place::sent);
}

bool answers::take_failed(worker_slot& slot, const answer& a) {
  failure f;
  detail::buffer copy; // read once: the worker may change it meanwhile
  copy.append(a.payload.data(), a.payload.size());
  if (!validated("result.parcel_came", !a.has_parcel) || !decode_failure(copy.bytes(), f)
      || !validated("failed.without_parts", slot.partial.none()))
    return false;
  auto item = slot.link.flown().accept_result(a.where);
  if (!item)
    return false;
  slot.answer_ran_ns = std::min(a.value, longest_ran_ns);
  f.worker = slot.pid();
  auto again = attempts_.after(*item->work, item->item, f);
  if (!again) {
    ends_.fail(*item->work, item->item, std::move(f), task_place::sent);
    items_ended(slot, *item, 1, a.value);
    return true;
  }
  items_ended(slot, *item, 1, a.value); // lets go of the old unit before the new one has its place
  if (!attempts_.begin(again)) {
    ends_.fail(*again, 0, std::move(f), task_place::sent);
    ends_.finish(std::move(again));
  }
  return true;
}

bool answers::take_result(worker_slot& slot, const answer& a) {
  arrived_parcel parcel;
  if (a.has_parcel) {
    // One packet for each flagged answer. EMFILE and ENOMEM are this process's own trouble and end
    // the item; any other error means that the worker has not sent what it announced.
    parcel = slot.process ? receive_parcel(slot.process->control()) : slot.returns.take();
    const bool came = parcel.error == 0 || parcel.error == EMFILE || parcel.error == ENOMEM;
    if (!validated("result.parcel_came", came))
      return false;
  }
  auto item = slot.link.flown().accept_result(a.where);
  if (!item)
    return false;
  auto& u = *item->work;
  slot.answer_ran_ns = std::min(a.value, longest_ran_ns);
  if (a.has_parcel) {
    take_described(slot, u, item->item, a, std::move(parcel));
  } else if (!slot.partial.none()) {
    keep_part(slot.partial, a.payload, 0);
    take_large(slot, u, item->item);
  } else {
    ends_.succeed(u, item->item);
    u.sink->on_value(u.first_item + item->item, a.payload);
  }
  items_ended(slot, *item, 1, a.value);
  return true;
}

bool answers::take_column(worker_slot& slot, const answer& a) {
  const auto taken = std::exchange(slot.column_taken, 0); // before it was published
  // All of it was taken before; the published column only says that it is complete.
  if (taken != 0 && a.items == taken)
    return true;
  return validated("column.without_parts", slot.partial.none())
         && take_results(slot, a, taken, a.items);
}

// `ready`: of its results, beyond those that were taken.
bool answers::take_unpublished(worker_slot& slot, const answer& a, std::uint32_t ready) {
  const auto taken = slot.column_taken;
  if (!validated("column.kind", a.kind == answer_kind::column)
      || !take_results(slot, a, taken, taken + ready))
    return false;
  slot.column_taken = taken + ready;
  return true;
}

// The results [first, last) of a column.
bool answers::take_results(worker_slot& slot, const answer& a, std::uint32_t first,
                           std::uint32_t last) {
  auto& flown = slot.link.flown();
  const auto* sent = flown.front();
  auto results = copy_column(
    a.payload, sent != nullptr ? sent->result_bytes : detail::varying_bytes, first, last);
  if (!results)
    return false;
  const auto count = results->items;
  auto items = flown.accept_results(a.where + first * item_step, count);
  if (!items)
    return false;
  auto& u = *items->work;
  slot.answer_ran_ns = std::min(a.value, longest_ran_ns);
  ends_.succeed(u, items->item, count);
  u.sink->on_column(u.first_item + items->item, std::move(*results));
  items_ended(slot, *items, count, a.value);
  return true;
}

void answers::items_ended(worker_slot& slot, flight::answered& item, std::uint32_t count,
                          std::uint64_t ran_ns) {
  auto& u = *item.work;
  // Figures first: finish() below may destroy the unit.
  slot.done += count;
  slot.watch.item_ended();
  if (ran_ns != 0)
    learn(slot, u, count, ran_ns);
  const auto longest = std::chrono::nanoseconds::max() - slot.busy_time;
  slot.busy_time += std::min(slot.last_ran, longest / count) * count;
  u.sink->began.store(true, std::memory_order_relaxed); // under our lock, as its only reader
  if (u.kill_wanted && item.owner) {                    // it ended before the grace did
    slot.cancelled_task = false;
    slot.watch.task_obeyed();
  } else if (u.kill_wanted) // its next item had begun as well
    slot.link.request_task_stop(slot.link.flown().next());
  if (item.owner)
    ends_.finish(std::move(item.owner)); // all its items are answered or live elsewhere
}

// How long frames take, for the worker's window; and items, for the chunks of the rest.
void answers::learn(worker_slot& slot, const unit& u, std::uint32_t count, std::uint64_t ran_ns) {
  // The worker says how long it ran, and may say anything: a wild figure would starve or flood it
  // by its window, and stretch every chunk of the map.
  const bool plausible = validated("result.duration", ran_ns <= longest_ran_ns);
  const auto ran = std::chrono::nanoseconds{plausible ? ran_ns : longest_ran_ns};
  slot.frames.learn(u.items > 1 ? ran * u.items : ran);
  slot.last_ran = ran;
  if (u.gathers)
    pool_.gather.learn(what_calls(u), ran);
  const auto old = u.sink->mean_item_ns.load(std::memory_order_relaxed); // only we write it
  const auto ns = static_cast<std::uint32_t>(std::min<std::uint64_t>(ran_ns, UINT32_MAX / 16));
  const std::uint32_t share = count < 8 ? 8 : 2; // many items say more than one
  const auto mean = old == 0 ? ns : (old * (share - 1) + ns) / share;
  u.sink->mean_item_ns.store(std::max(mean, 1U), std::memory_order_relaxed); // a hint
}

bool answers::take_returned(worker_slot& slot, const answer& a) {
  if (!validated("returned.without_parts", slot.partial.none()))
    return false;
  unit_list back;
  const bool good = slot.link.flown().accept_returned(
    a.where, a.value, slot.grown,
    [&](unit& work, std::uint32_t first, std::unique_ptr<unit> owner) {
      pool_is_locked();
      sender_.take_back(slot, work, first, std::move(owner), back);
    });
  // Also where the answer was a lie: what was moved to the list belongs to the queue by now.
  sender_.give_back(back);
  return good;
}

// Without a leader the runtime thread waits in epoll; whatever came before the flag is taken here.
answers::armed answers::arm(worker_slot& slot) {
  for (int turn = 0; turn < 4; ++turn) {
    if (slot.gone() || slot.link.arm())
      return turn == 0 ? armed::at_once : armed::after_answers;
    drain(slot);
  }
  return armed::no;
}

// What an answer that came meanwhile makes possible is done here too: to send what waits, to let
// go of a worker that drains. Nothing else may ever come by to do it.
void answers::arm_those(bool idle_too) {
  bool all = true;
  bool came = false;
  for (const auto& slot : pool_.slots) {
    if (!idle_too && slot->ready && !slot->busy())
      continue;
    const auto how = arm(*slot);
    all &= how != armed::no;
    came |= how != armed::at_once;
  }
  // Before the pump, which sets it again for each worker that it sends to.
  pool_.some_unarmed = false;
  if (came)
    sender_.pump();
  if (!all || pool_.some_unarmed)
    pool_.waiting.kick();
}

} // namespace bulkhead::runtime
