#include "actors/worker/turn_board.hpp"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <new>

// What the worker shows of its actors: words and rows in shared memory that the loop thread writes
// and the host reads at any time. An actor's end may come from another thread, and frees its row in
// the loop.
namespace bulkhead::actors {

namespace {

// relaxed: numbers for people, or guarded by the number of the turn.
void put_word(std::atomic<std::uint64_t>& word, std::uint64_t value) noexcept {
  word.store(value, std::memory_order_relaxed);
}

void add_word(std::atomic<std::uint64_t>& word, std::uint64_t value) noexcept {
  put_word(word, word.load(std::memory_order_relaxed) + value); // only this thread writes
}

std::uint64_t count_of(std::chrono::steady_clock::time_point at) noexcept {
  return static_cast<std::uint64_t>(at.time_since_epoch().count());
}

} // namespace

turn_board::turn_board(ring_words& words, std::span<actor_row> rows, std::span<turn_note> notes,
                       const ring_words& host)
  : words_(words), rows_(rows), notes_(notes), host_(host) {
  free_.reserve(rows.size());
  for (auto i = rows.size(); i-- > 0;)
    free_.push_back(i);
}

// The fence keeps the words of this turn behind the even number of the last: a host that reads one
// of them and then the number sees that it has moved. release: who reads the odd number reads the
// words that belong to it.
void turn_board::begin(std::uint64_t actor) noexcept {
  since_ = clock::now();
  std::atomic_thread_fence(std::memory_order_release);
  put_word(words_.running, actor);
  put_word(words_.since, count_of(since_));
  words_.turn.store(++turn_ * 2 - 1, std::memory_order_release);
}

void turn_board::end() noexcept { put_word(words_.turn, turn_ * 2); }

void turn_board::begins(std::uint64_t actor) noexcept { begin(actor); }

bool turn_board::ends(std::uint64_t actor, std::string_view name, std::size_t mailbox) noexcept {
  // The turn ends before the bookkeeping, which is no actor's time.
  const auto spent = clock::now() - since_;
  end();
  // relaxed: a hint that somebody looks on.
  if (count_of(since_) < host_.watched_until.load(std::memory_order_relaxed))
    note(actor, static_cast<std::uint64_t>(spent.count()));
  const auto known = at_.find(actor);
  auto* row = known != at_.end() ? &rows_[known->second] : new_row(actor, name);
  if (row == nullptr) {
    add_word(words_.unlisted, 1);
    return false;
  }
  add_word(row->turns, 1);
  add_word(row->busy, static_cast<std::uint64_t>(spent.count()));
  put_word(row->mailbox, mailbox);
  return known == at_.end();
}

// The fence keeps the words of this note behind the 0 that says they are being written; release:
// who reads the number reads the words that belong to it, and who reads `noted` the number.
void turn_board::note(std::uint64_t actor, std::uint64_t took) noexcept {
  const auto number = words_.noted.load(std::memory_order_relaxed) + 1; // only this thread writes
  auto& place = notes_[(number - 1) % notes_.size()];
  put_word(place.number, 0);
  std::atomic_thread_fence(std::memory_order_release);
  put_word(place.actor, actor);
  put_word(place.since, count_of(since_));
  put_word(place.took, took);
  place.number.store(number, std::memory_order_release);
  words_.noted.store(number, std::memory_order_release);
}

// An end for which there is no memory leaves its row taken.
void turn_board::gone(std::uint64_t actor) noexcept try {
  const std::lock_guard lock{mutex_};
  gone_.push_back(actor);
  any_gone_.store(true, std::memory_order_relaxed);
} catch (const std::bad_alloc&) {
  return;
}

// seq_cst, as the host's withdraw(): each says what it does first and then looks at the other's
// word, so at least one of them sees the other.
bool turn_board::begins_start(std::uint64_t request) noexcept {
  words_.starting.store(request, std::memory_order_seq_cst);
  const auto& word = host_.withdrawn[request % ring_words::most_withdrawn];
  if (word.load(std::memory_order_seq_cst) == request) {
    put_word(words_.started, request); // done with it: what runs next is no start
    return false;
  }
  begin(0);
  return true;
}

// release: who sees that the start is done sees the count with its actor.
void turn_board::ends_start(std::size_t actors) noexcept {
  end();
  counts(actors);
  words_.started.store(words_.starting.load(std::memory_order_relaxed), std::memory_order_release);
}

void turn_board::counts(std::size_t actors) noexcept {
  put_word(words_.actors, actors);
  if (any_gone_.load(std::memory_order_relaxed)) // a hint: the lock orders gone_
    free_rows();
}

void turn_board::free_rows() noexcept {
  std::vector<std::uint64_t> gone;
  {
    const std::lock_guard lock{mutex_};
    gone.swap(gone_);
    any_gone_.store(false, std::memory_order_relaxed); // under the lock that orders gone_
  }
  for (const auto actor : gone) {
    const auto known = at_.find(actor);
    if (known == at_.end())
      continue;
    // First nobody's: a host that reads the row meanwhile sees its actor change, and leaves it out.
    put_word(rows_[known->second].actor, 0);
    free_.push_back(known->second); // its room was reserved
    at_.erase(known);
  }
}

actor_row* turn_board::new_row(std::uint64_t actor, std::string_view name) noexcept {
  if (free_.empty())
    return nullptr;
  const auto i = free_.back();
  try {
    at_.emplace(actor, i);
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
  free_.pop_back();
  auto& row = rows_[i];
  for (auto* word : {&row.turns, &row.busy, &row.mailbox})
    put_word(*word, 0);
  std::uint64_t text[actor_row::name_bytes / 8] = {};
  std::memcpy(text, name.data(), std::min(name.size(), actor_row::name_bytes));
  for (std::size_t part = 0; part < std::size(text); ++part)
    put_word(row.name[part], text[part]);
  // release: who sees the actor sees its name.
  row.actor.store(actor, std::memory_order_release);
  return &row;
}

} // namespace bulkhead::actors
