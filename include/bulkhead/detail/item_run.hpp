#pragma once

#include <bulkhead/detail/ship.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>
#include <tuple>
#include <type_traits>

// Items of a chunk, run in one loop that is compiled with the types of the caller.
namespace bulkhead::detail {

/// In place of a size: the values differ, each has its length before it.
inline constexpr std::uint32_t varying_bytes = UINT32_MAX;

/// How many bytes each encoded T has, or varying_bytes.
template <class T>
consteval std::uint32_t bytes_of_each() {
  if constexpr (std::is_void_v<T>)
    return 0;
  else if constexpr (std::is_same_v<T, bool>)
    return 1;
  else if constexpr (raw<T>)
    return sizeof(T) < varying_bytes ? static_cast<std::uint32_t>(sizeof(T)) : varying_bytes;
  else
    return varying_bytes;
}

/// The arguments of each call have one size.
template <class... Args>
inline constexpr bool fixed_arguments =
  ((std::is_same_v<shipped_t<Args>, Args> && bytes_of_each<Args>() != varying_bytes) && ...);

/// Consecutive items on a worker's main thread: the worker fills it in, the loop claims item after
/// item, as docs/wire_format.md says, takes its arguments, and puts its result where it is to lie.
struct item_run {
  static constexpr std::uint64_t step = 4; ///< from an item's claim to the next one's
  static constexpr std::uint64_t phase = 3;

  std::atomic<std::uint64_t>* claim;        ///< the worker's word
  const std::atomic<std::uint64_t>* recall; ///< the host's word
  std::atomic<std::uint64_t>* where;        ///< of this_worker and this_task: position of the item
  std::atomic<std::uint64_t>* task;         ///< and its number
  const std::atomic<bool>* untidy;          ///< the item has left something to be cleared
  void (*reach)(std::string_view);          ///< a named point of the protocol, for tests; or null
  std::uint64_t at;                         ///< claim of the next item
  std::uint64_t end;                        ///< claim of the first item behind the run
  std::uint64_t id;                         ///< number of the next item
  const std::byte* rest;                    ///< arguments of the items that have not taken theirs
  std::byte* result;                        ///< of the next item
  std::uint32_t argument_bytes;             ///< of each, or varying_bytes
  std::size_t room;                         ///< bytes for results of varying size
  std::size_t most;                         ///< bytes of one of them
  const descriptor_list* descriptors;       ///< that came along with the arguments
  buffer* spare;                            ///< for results of varying size
  bool left_over; ///< the result of the item at `at` is in `spare`: it has no place here

  /// The next item runs now. False: none is left, or the host has taken it back.
  bool begin() const noexcept {
    if (at == end)
      return false;
    // Sync point "worker claims": seq_cst store then seq_cst load; partner of the host's store of
    // recall, load of claim. The results before it are visible with it.
    claim->store(at, std::memory_order_seq_cst);
    reached("worker.claimed");
    if (recall->load(std::memory_order_seq_cst) <= (at & ~phase))
      return false;
    reached("worker.checked");
    // relaxed: read by the item's own threads, and by others for information.
    where->store(at & ~phase, std::memory_order_relaxed);
    task->store(id, std::memory_order_relaxed);
    std::atomic_signal_fence(std::memory_order_seq_cst); // a crash finds the claim before the call
    reached("worker.started");
    return true;
  }

  /// The arguments of the item that runs now.
  std::span<const std::byte> take_arguments() noexcept {
    auto length = argument_bytes;
    if (length == varying_bytes) {
      std::memcpy(&length, rest, sizeof length);
      rest += sizeof length;
    }
    const auto* from = rest;
    rest += length;
    return {from, length};
  }

  /// False: there is no place for the result; see left_over.
  template <class T>
  bool put(const T& value) {
    if constexpr (std::is_same_v<T, bool>)
      *result = std::byte{value};
    else if constexpr (bytes_of_each<T>() != varying_bytes)
      std::memcpy(result, std::addressof(value), sizeof(T));
    if constexpr (bytes_of_each<T>() != varying_bytes) {
      result += bytes_of_each<T>();
      return true;
    } else {
      spare->clear();
      encode<T>(*spare, value);
      return put_spare();
    }
  }

  /// The item has its result. False: the worker has to look after it before the next.
  bool next() noexcept {
    at += step;
    ++id;
    reached("worker.column_grown");
    return !untidy->load(std::memory_order_relaxed); // set by this item, if at all
  }

  void reached(std::string_view point) const {
    if (reach != nullptr) [[unlikely]]
      reach(point);
  }

private:
  bool put_spare() noexcept {
    const auto size = spare->size();
    if (size > most || sizeof(std::uint32_t) + size > room || spare->descriptors() != nullptr) {
      left_over = true;
      return false;
    }
    const auto length = static_cast<std::uint32_t>(size);
    std::memcpy(result, &length, sizeof length);
    if (size != 0)
      std::memcpy(result + sizeof length, spare->data(), size);
    result += sizeof length + size;
    room -= sizeof length + size;
    return true;
  }
};

/// Runs items until `begin`, `put` or `next` say no; an exception is that of the item at `at`.
using loop_fn = void (*)(const reader& callable, item_run& items);

/// Callables that cost nothing to decode for each item.
template <class F>
concept runs_in_loop = function_pointer<F> || raw_callable<F>;

/// Where the callable of an item is: before the arguments of all items, or of each.
enum class callable_place : bool { of_all, of_each };

template <callable_place Place, class R, class F, class... Ts>
struct item_loop {
  static void run(const reader& callable, item_run& items) {
    if constexpr (Place == callable_place::of_each) {
      while (items.begin() && run_own(items)) {
      }
    } else if constexpr (function_pointer<F>) {
      auto in = callable;
      const auto f = decode_callable<F>(in);
      while (items.begin() && run_one(f, arguments(items), items)) {
      }
    } else { // each item has its own, as it came
      while (items.begin() && run_one(decoded(callable), arguments(items), items)) {
      }
    }
  }

private:
  static F decoded(reader callable) { return decode_callable<F>(callable); }

  static reader arguments(item_run& items) noexcept {
    reader in{items.take_arguments(), reader_limits::trusted()};
    in.bring(items.descriptors);
    return in;
  }

  static bool run_own(item_run& items) {
    auto in = arguments(items);
    auto f = decode_callable<F>(in);
    return run_one(std::move(f), in, items);
  }

  static bool run_one(F f, reader in, item_run& items) {
    using plan = call_plan<F, Ts...>;
    std::tuple<Ts...> values{decode_argument<Ts>(in)...};
    in.expect_end();
    if constexpr (std::is_void_v<R>) {
      static_cast<void>(plan::call(f, values));
      items.reached("worker.ran");
      return items.next();
    } else {
      const R& value = plan::call(f, values);
      items.reached("worker.ran");
      return items.put(value) && items.next();
    }
  }
};

/// The loop's name, looked up once.
template <callable_place Place, class R, class F, class... Ts>
const function_ref& loop_ref() {
  static const function_ref ref =
    to_ref(reinterpret_cast<const void*>(&item_loop<Place, R, F, Ts...>::run));
  return ref;
}

} // namespace bulkhead::detail
