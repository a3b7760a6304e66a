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

// Items of a chunk whose arguments and results have one size, run in one typed loop.
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

/// Consecutive items on a worker's main thread: the worker fills it in, the loop claims item after
/// item, as docs/wire_format.md says, and puts the results where they are to lie.
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
  const std::byte* arguments;               ///< of the next item
  std::byte* result;                        ///< of the next item
  std::uint32_t argument_bytes;
  std::uint32_t result_bytes;

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

  template <class T>
  void put(const T& value) const noexcept {
    if constexpr (std::is_same_v<T, bool>)
      *result = std::byte{value};
    else
      std::memcpy(result, std::addressof(value), sizeof(T));
  }

  /// The item has its result. False: the worker has to look after it before the next.
  bool next() noexcept {
    at += step;
    ++id;
    arguments += argument_bytes;
    result += result_bytes;
    reached("worker.column_grown");
    return !untidy->load(std::memory_order_relaxed); // set by this item, if at all
  }

  void reached(std::string_view point) const {
    if (reach != nullptr) [[unlikely]]
      reach(point);
  }
};

/// Runs items until `begin` or `next` say no; an exception is that of the item at `at`.
using loop_fn = void (*)(const reader& callable, item_run& items);

template <class R, class F, class... Ts>
concept runs_in_loop = (function_pointer<F> || raw_callable<F>)&&bytes_of_each<R>() != varying_bytes
                       && ((bytes_of_each<Ts>() != varying_bytes) && ...);

template <class R, class F, class... Ts>
struct item_loop {
  static void run(const reader& callable, item_run& items) {
    if constexpr (function_pointer<F>) {
      auto in = callable;
      const auto f = decode_callable<F>(in);
      while (items.begin() && run_one(f, items)) {
      }
    } else { // each item has its own, as it came
      while (items.begin() && run_one(decoded(callable), items)) {
      }
    }
  }

private:
  static F decoded(reader callable) { return decode_callable<F>(callable); }

  static bool run_one(F f, item_run& items) {
    using plan = call_plan<F, Ts...>;
    reader in{{items.arguments, items.argument_bytes}, reader_limits::trusted()};
    std::tuple<Ts...> values{decode_argument<Ts>(in)...};
    if constexpr (std::is_void_v<R>) {
      static_cast<void>(plan::call(f, values));
    } else {
      const R& value = plan::call(f, values);
      items.reached("worker.ran");
      items.put(value);
    }
    return items.next();
  }
};

/// The loop's name, looked up once.
template <class R, class F, class... Ts>
const function_ref& loop_ref() {
  static const function_ref ref =
    to_ref(reinterpret_cast<const void*>(&item_loop<R, F, Ts...>::run));
  return ref;
}

} // namespace bulkhead::detail
