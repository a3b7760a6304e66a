#pragma once

#include <bulkhead/detail/map_state.hpp>
#include <bulkhead/detail/pool_core.hpp>
#include <bulkhead/future.hpp>

#include <cxxabi.h>
#include <memory>
#include <vector>

namespace bulkhead::detail {

/// Waits for a whole map and reports progress in this thread, at most every 50 ms.
void wait_for_map(pool_core& core, map_state& state, const map_options& options);

template <class R>
std::vector<outcome<R>> collect_outcomes(map_state& state) {
  std::vector<outcome<R>> all;
  all.reserve(state.size());
  for (std::size_t i = 0; i < state.size(); ++i)
    all.push_back(state.item(i).template decode<R>());
  return all;
}

/// All values in input order; throws the first failure in input order.
template <class R>
auto collect_values(map_state& state) {
  if constexpr (std::is_void_v<R>) {
    for (std::size_t i = 0; i < state.size(); ++i)
      state.item(i).template decode<R>().value();
  } else {
    std::vector<R> all;
    all.reserve(state.size());
    for (std::size_t i = 0; i < state.size(); ++i)
      all.push_back(state.item(i).template decode<R>().value());
    return all;
  }
}

template <class R>
using values_of = decltype(collect_values<R>(std::declval<map_state&>()));

/// The future of a whole map.
template <class R>
class map_future_state final : public future_state<values_of<R>> {
public:
  map_future_state(std::shared_ptr<pool_core> core, std::shared_ptr<map_state> map) noexcept
    : future_state<values_of<R>>(std::move(core)), map_(std::move(map)) {}

  /// True where nothing of the map ran or will run.
  bool cancel(bool kill_running) override { return this->core()->cancel_all(*map_, kill_running); }

protected:
  void decode(std::optional<outcome<values_of<R>>>& to) override {
    try {
      if constexpr (std::is_void_v<R>)
        collect_values<R>(*map_), to.emplace();
      else
        to.emplace(collect_values<R>(*map_));
    } catch (const error& e) {
      to.emplace(e.info());
    } catch (abi::__forced_unwind&) {
      throw;
    } catch (...) {
      to.emplace(undecodable_result());
    }
  }

private:
  std::shared_ptr<map_state> map_;
};

} // namespace bulkhead::detail
