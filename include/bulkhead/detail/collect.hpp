#pragma once

#include <bulkhead/detail/large_memory.hpp>
#include <bulkhead/detail/map_state.hpp>
#include <bulkhead/detail/pool_core.hpp>
#include <bulkhead/future.hpp>

#include <cstddef>
#include <cstring>
#include <cxxabi.h>
#include <memory>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

namespace bulkhead::detail {

/// Waits for a whole map and reports progress in this thread, at most every 50 ms. At the deadline
/// it cancels what has not begun and throws timeout_error.
void wait_for_map(pool_core& core, map_state& state, const map_options& options,
                  time_point deadline);

/// Until when all results are to be there. Throws config_error for a time below zero.
time_point deadline_of(const map_options& options);

/// Throws config_error where a time is set: the future's wait has it.
void refuse_timeout(const map_options& options);

template <class R>
std::vector<outcome<R>> collect_outcomes(map_state& state) {
  std::vector<outcome<R>> all;
  all.reserve(state.size());
  for (const auto& piece : state.pieces())
    piece.template decode<R>([&all](outcome<R>&& each) { all.push_back(std::move(each)); });
  return all;
}

/// Results that travel as the bytes of the objects and lie in memory as they do in a vector.
template <class R>
concept copied_as_block = raw<R> && std::is_copy_constructible_v<R> && std::is_copy_assignable_v<R>
                          && alignof(R) <= __STDCPP_DEFAULT_NEW_ALIGNMENT__;

/// Throws the first failure.
template <class R>
void append_values(std::vector<R>& all, const map_piece& piece) {
  if constexpr (copied_as_block<R>)
    if (!piece.failed && piece.results.width == sizeof(R)) {
      const auto* first = reinterpret_cast<const R*>(piece.results.bytes.get());
      all.insert(all.end(), first, first + piece.results.items);
      return;
    }
  piece.template decode<R>([&all](outcome<R>&& each) { all.push_back(std::move(each).value()); });
}

/// All values in input order; throws the first failure in input order.
template <class R>
auto collect_values(map_state& state) {
  if constexpr (std::is_void_v<R>) {
    for (const auto& piece : state.pieces())
      piece.template decode<R>([](outcome<R>&& each) { each.value(); });
  } else {
    std::vector<R> all;
    reserve_large(all, state.size());
    all.reserve(state.size());
    for (const auto& piece : state.pieces())
      append_values(all, piece);
    return all;
  }
}

/// Copies all values to `to` in input order. Throws the first failure in input order, and
/// config_error where they do not fit.
template <class R>
std::size_t collect_into(map_state& state, std::span<R> to) {
  expect_room(state.size(), to.size());
  auto* next = to.data();
  for (const auto& piece : state.pieces()) {
    if constexpr (copied_as_block<R>)
      if (!piece.failed && piece.results.width == sizeof(R)) {
        std::memcpy(next, piece.results.bytes.get(), piece.results.items * sizeof(R));
        next += piece.results.items;
        continue;
      }
    piece.template decode<R>([&next](outcome<R>&& each) { *next++ = std::move(each).value(); });
  }
  return state.size();
}

template <class R>
using values_of = decltype(collect_values<R>(std::declval<map_state&>()));

/// The future of a whole map.
template <class R>
class map_future_state final : public future_state<values_of<R>> {
public:
  map_future_state(std::shared_ptr<pool_core> core, std::shared_ptr<map_state> map) noexcept
    : future_state<values_of<R>>(core), pool_(std::move(core)), map_(std::move(map)) {}

  /// True where nothing of the map ran or will run.
  bool cancel(bool kill_running) override { return pool_->cancel_all(*map_, kill_running); }
  bool running() override { return !this->ready() && pool_->running(*map_).has_value(); }
  double progress() override {
    const auto [done, all] = map_->counts();
    return this->ready() ? 1 : static_cast<double>(done) / static_cast<double>(all + 1);
  }

protected:
  outcome<values_of<R>> decode() override {
    try {
      if constexpr (std::is_void_v<R>) {
        collect_values<R>(*map_);
        return {};
      } else
        return collect_values<R>(*map_);
    } catch (const error& e) {
      return e.info();
    } catch (abi::__forced_unwind&) {
      throw;
    } catch (...) {
      return undecodable_result();
    }
  }

private:
  const std::shared_ptr<pool_core> pool_;
  std::shared_ptr<map_state> map_;
};

} // namespace bulkhead::detail
