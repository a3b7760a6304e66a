#pragma once

#include <bulkhead/detail/collect.hpp>
#include <bulkhead/future.hpp>
#include <bulkhead/imap.hpp>

#include <algorithm>
#include <initializer_list>
#include <memory>
#include <optional>
#include <ranges>
#include <tuple>
#include <utility>
#include <vector>

namespace bulkhead {

/// The calls that a pool and its views share. `f` is any shippable callable; a range is any input
/// range or an initializer list. All calls are thread-safe. After close() they throw pool_closed,
/// on a pool that cannot keep workers alive pool_broken.
template <class Derived>
class pool_calls {
public:
  /// Runs f(args...) in a worker. Throws queue_full under on_full::reject, too_large, codec_error.
  template <class F, class... Args>
  auto submit(F f, const Args&... args) {
    return submit_as(detail::admission::policy, f, args...).value();
  }

  /// As submit, but empty when the backlog is full; never blocks.
  template <class F, class... Args>
  auto try_submit(F f, const Args&... args) {
    return submit_as(detail::admission::try_only, f, args...);
  }

  /// Submits and waits for the value.
  template <class F, class... Args>
  auto apply(F f, const Args&... args) {
    return submit(std::move(f), args...).get();
  }

  /// f of each item, in input order. Waits for all, then throws the first failure in input order.
  template <class F, std::ranges::input_range Range>
  auto map(F f, Range&& range, map_options options = {}) {
    return map_values<detail::as_one_argument>(std::move(f), std::forward<Range>(range), options);
  }
  template <class F, class Item>
  auto map(F f, std::initializer_list<Item> items, map_options options = {}) {
    return map(std::move(f), std::ranges::subrange(items), std::move(options));
  }

  /// As map, but the results are assigned to elements of yours, and their number is returned.
  /// Throws config_error where they do not fit, before anything is submitted where the range knows
  /// its size; some elements may have been assigned where a task failed.
  template <class F, std::ranges::input_range Range, class R>
  std::size_t map_into(F f, Range&& range, std::span<R> to, map_options options = {}) {
    if constexpr (std::ranges::sized_range<Range>)
      detail::expect_room(static_cast<std::size_t>(std::ranges::size(range)), to.size());
    auto [state, tag, deadline] =
      start<detail::as_one_argument>(std::move(f), std::forward<Range>(range), options);
    static_assert(std::is_same_v<typename decltype(tag)::type, R>,
                  "bulkhead: the span's elements are what the function returns");
    detail::wait_for_map(core(), *state, options, deadline);
    return detail::collect_into(*state, to);
  }

  /// As map, but one outcome an item; a task's failure is a value.
  template <class F, std::ranges::input_range Range>
  auto try_map(F f, Range&& range, map_options options = {}) {
    auto [state, tag, deadline] =
      start<detail::as_one_argument>(std::move(f), std::forward<Range>(range), options);
    detail::wait_for_map(core(), *state, options, deadline);
    return detail::collect_outcomes<typename decltype(tag)::type>(*state);
  }
  template <class F, class Item>
  auto try_map(F f, std::initializer_list<Item> items, map_options options = {}) {
    return try_map(std::move(f), std::ranges::subrange(items), std::move(options));
  }

  /// As map with tuples or pairs that are spread over f's parameters.
  template <class F, std::ranges::input_range Range>
  auto starmap(F f, Range&& range, map_options options = {}) {
    return map_values<detail::as_many_arguments>(std::move(f), std::forward<Range>(range), options);
  }
  template <class F, class Item>
  auto starmap(F f, std::initializer_list<Item> items, map_options options = {}) {
    return starmap(std::move(f), std::ranges::subrange(items), std::move(options));
  }

  /// As map; reads all input before it returns.
  template <class F, std::ranges::input_range Range>
  auto map_async(F f, Range&& range, map_options options = {}) {
    return map_future<detail::as_one_argument>(std::move(f), std::forward<Range>(range), options);
  }
  template <class F, class Item>
  auto map_async(F f, std::initializer_list<Item> items, map_options options = {}) {
    return map_async(std::move(f), std::ranges::subrange(items), std::move(options));
  }
  template <class F, std::ranges::input_range Range>
  auto starmap_async(F f, Range&& range, map_options options = {}) {
    return map_future<detail::as_many_arguments>(std::move(f), std::forward<Range>(range), options);
  }
  template <class F, class Item>
  auto starmap_async(F f, std::initializer_list<Item> items, map_options options = {}) {
    return starmap_async(std::move(f), std::ranges::subrange(items), std::move(options));
  }

  /// f of each item for its effects; what it returns is dropped in the worker.
  template <class F, std::ranges::input_range Range>
  void for_each(F f, Range&& range, map_options options = {}) {
    auto [state, tag, deadline] =
      start<detail::as_one_argument_for_effect>(std::move(f), std::forward<Range>(range), options);
    detail::wait_for_map(core(), *state, options, deadline);
    for (const auto& piece : state->pieces())
      if (piece.failed)
        throw_failure(*piece.failed);
  }
  template <class F, class Item>
  void for_each(F f, std::initializer_list<Item> items, map_options options = {}) {
    for_each(std::move(f), std::ranges::subrange(items), std::move(options));
  }

  /// Lazy results in input order; reads at most map_options::buffersize items ahead.
  template <class F, std::ranges::input_range Range>
  auto imap(F f, Range&& range, map_options options = {}) {
    return lazy<detail::as_one_argument>(true, std::move(f), std::forward<Range>(range), options);
  }
  template <class F, class Item>
  auto imap(F f, std::initializer_list<Item> items, map_options options = {}) {
    return lazy<detail::as_one_argument>(true, std::move(f), std::vector<Item>(items), options);
  }
  /// Lazy results as they come.
  template <class F, std::ranges::input_range Range>
  auto imap_unordered(F f, Range&& range, map_options options = {}) {
    return lazy<detail::as_one_argument>(false, std::move(f), std::forward<Range>(range), options);
  }
  template <class F, class Item>
  auto imap_unordered(F f, std::initializer_list<Item> items, map_options options = {}) {
    return lazy<detail::as_one_argument>(false, std::move(f), std::vector<Item>(items), options);
  }

  /// As imap and imap_unordered with tuples or pairs that are spread over f's parameters.
  template <class F, std::ranges::input_range Range>
  auto istarmap(F f, Range&& range, map_options options = {}) {
    return lazy<detail::as_many_arguments>(true, std::move(f), std::forward<Range>(range), options);
  }
  template <class F, class Item>
  auto istarmap(F f, std::initializer_list<Item> items, map_options options = {}) {
    return istarmap(std::move(f), std::vector<Item>(items), std::move(options));
  }
  template <class F, std::ranges::input_range Range>
  auto istarmap_unordered(F f, Range&& range, map_options options = {}) {
    return lazy<detail::as_many_arguments>(false, std::move(f), std::forward<Range>(range),
                                           options);
  }
  template <class F, class Item>
  auto istarmap_unordered(F f, std::initializer_list<Item> items, map_options options = {}) {
    return istarmap_unordered(std::move(f), std::vector<Item>(items), std::move(options));
  }

  /// Runs f once in every worker that exists now; waits; the values in order of worker ids.
  template <class F>
  auto broadcast(F f) {
    using result = detail::shipped_result_t<F>;
    auto state = std::make_shared<detail::map_state>();
    for (const auto id : core().worker_ids()) {
      auto w = detail::make_work<F>(f);
      detail::add_item(w);
      w.first_item = state->add_items(1);
      w.sink = state;
      w.options = self().shared_options();
      w.broadcast = true;
      w.worker = id;
      core().submit(std::move(w), detail::admission::wait);
    }
    state->seal();
    core().wait(state->latch(), detail::time_point::max());
    return detail::collect_values<result>(*state);
  }

private:
  Derived& self() noexcept { return static_cast<Derived&>(*this); }
  detail::pool_core& core() { return *self().shared_core(); }

  template <class F, class... Args>
  auto submit_as(detail::admission how, const F& f, const Args&... args) {
    using result = detail::shipped_result_t<F, Args...>;
    const auto& owner = self().shared_core();
    auto w = detail::one_call<result, F, Args...>(f, args...);
    auto state = std::make_shared<detail::future_state<result>>(owner);
    w.sink = state;
    w.single = true;
    w.options = self().shared_options();
    std::optional<future<result>> submitted;
    if (owner->submit(std::move(w), how))
      submitted.emplace(std::move(state));
    return submitted;
  }

  template <class Spread, class F, class Range>
  auto feeder_of(std::shared_ptr<detail::task_sink> sink, F f, Range&& range,
                 const map_options& options) {
    auto view = std::views::all(std::forward<Range>(range));
    return detail::feeder<Spread, F, decltype(view)>(
      self().shared_core(), std::move(sink), self().shared_options(), std::move(f), std::move(view),
      options.chunk, detail::deadline_of(options));
  }

  template <class Spread, class F, class Range>
  auto start(F f, Range&& range, const map_options& options) {
    auto state = std::make_shared<detail::map_state>();
    auto source = feeder_of<Spread>(state, std::move(f), std::forward<Range>(range), options);
    detail::feed_all(source, core(), *state);
    return std::tuple{std::move(state), std::type_identity<typename decltype(source)::result>{},
                      source.deadline()};
  }

  template <class Spread, class F, class Range>
  auto map_values(F f, Range&& range, const map_options& options) {
    auto [state, tag, deadline] = start<Spread>(std::move(f), std::forward<Range>(range), options);
    detail::wait_for_map(core(), *state, options, deadline);
    return detail::collect_values<typename decltype(tag)::type>(*state);
  }

  template <class Spread, class F, class Range>
  auto map_future(F f, Range&& range, const map_options& options) {
    detail::refuse_timeout(options);
    auto map = std::make_shared<detail::map_state>();
    auto source = feeder_of<Spread>(map, std::move(f), std::forward<Range>(range), options);
    using result = typename decltype(source)::result;
    auto state = std::make_shared<detail::map_future_state<result>>(self().shared_core(), map);
    map->set_dependent(state);
    if (options.on_progress)
      map->tell_progress(self().shared_core(), options.on_progress);
    detail::feed_all(source, core(), *map);
    if (options.on_progress)
      state->when_ready([tell = options.on_progress, all = map->size()] { tell(all, all); });
    return future<detail::values_of<result>>(std::move(state));
  }

  template <class Spread, class F, class Range>
  auto lazy(bool ordered, F f, Range&& range, const map_options& options) {
    auto state = std::make_shared<detail::imap_state>(ordered);
    auto source = feeder_of<Spread>(state, std::move(f), std::forward<Range>(range), options);
    auto ahead = options.buffersize;
    if (ahead == 0)
      ahead = std::min(core().options().queue_capacity, 1024 * core().options().workers);
    return imap_range(self().shared_core(), std::move(state), std::move(source), ahead,
                      options.on_progress);
  }
};

} // namespace bulkhead
