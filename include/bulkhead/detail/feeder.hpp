#pragma once

#include <bulkhead/detail/map_state.hpp>
#include <bulkhead/detail/pool_core.hpp>

#include <algorithm>
#include <cstring>
#include <cxxabi.h>
#include <exception>
#include <memory>
#include <ranges>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

namespace bulkhead::detail {

/// The work of calls of F that take these and return R, with what is known of their sizes.
template <class R, class F, class... Args>
work sized(work w) {
  if constexpr (fixed_arguments<Args...>)
    w.item_bytes = (0U + ... + bytes_of_each<Args>());
  w.result_bytes = bytes_of_each<R>();
  if constexpr (runs_in_loop<std::decay_t<F>>)
    w.loop = loop_ref<callable_place::of_all, R, std::decay_t<F>, shipped_t<Args>...>();
  return w;
}

/// The work of one call of F that returns R.
template <class R, class F, class... Args>
work one_call(const F& f, const Args&... args) {
  if constexpr (own_closure<F>) {
    work w;
    w.stub = own_stub_ref<F, Args...>();
    w.loop = loop_ref<callable_place::of_each, R, F, shipped_t<Args>...>();
    w.result_bytes = bytes_of_each<R>();
    constexpr auto own =
      sizeof(F) < varying_bytes ? static_cast<std::uint32_t>(sizeof(F)) : varying_bytes;
    if constexpr (fixed_arguments<Args...> && own != varying_bytes)
      w.item_bytes = (own + ... + bytes_of_each<Args>());
    add_encoded_item(w, [&](buffer& out) {
      encode_callable(out, f);
      encode_args(out, args...);
    });
    return w;
  } else {
    auto w = sized<R, F, Args...>(make_work<F, Args...>(f));
    add_item(w, args...);
    return w;
  }
}

/// Elements that lie in memory as their encodings follow one another.
template <class Range>
concept block_of_items = std::ranges::contiguous_range<Range> && std::ranges::sized_range<Range>
                         && raw<std::ranges::range_value_t<Range>>
                         && std::is_same_v<shipped_t<std::ranges::range_value_t<Range>>,
                                           std::ranges::range_value_t<Range>>;

/// How an element of the input becomes the arguments of a call.
struct as_one_argument {
  static constexpr bool one_argument = true;

  template <class F, class Item>
  using result = shipped_result_t<F, Item>;

  template <class F, class Item>
  static work make(const F& f, std::type_identity<Item>) {
    return sized<result<F, Item>, F, Item>(make_work<F, Item>(f));
  }
  template <class Item>
  static void add(work& w, const Item& item) {
    add_item(w, item);
  }
};

/// As one argument, for its effects: what the call returns is dropped in the worker.
struct as_one_argument_for_effect : as_one_argument {
  template <class F, class Item>
  using result = std::conditional_t<true, void, shipped_result_t<F, Item>>;

  template <class F, class Item>
  static work make(const F& f, std::type_identity<Item>) {
    return sized<void, F, Item>(make_work<F, Item>(f, dropping_stub_ref<F, Item>()));
  }
};

/// A tuple or pair spread over the parameters, as starmap does.
struct as_many_arguments {
  static constexpr bool one_argument = false;

  template <class F, class Tuple>
  struct spread;
  template <class F, template <class...> class Tuple, class... Items>
  struct spread<F, Tuple<Items...>> {
    using result = shipped_result_t<F, std::decay_t<Items>...>;
    static work make(const F& f) {
      return sized<result, F, std::decay_t<Items>...>(make_work<F, std::decay_t<Items>...>(f));
    }
  };

  template <class F, class Tuple>
  using result = typename spread<F, Tuple>::result;

  template <class F, class Tuple>
  static work make(const F& f, std::type_identity<Tuple>) {
    return spread<F, Tuple>::make(f);
  }
  template <class Tuple>
  static void add(work& w, const Tuple& items) {
    std::apply([&w](const auto&... xs) { add_item(w, xs...); }, items);
  }
};

/// Cuts an input range into units of work and submits them. Reads the input only in the thread
/// that calls it.
template <class Spread, class F, class Range>
class feeder {
public:
  using item = std::remove_cvref_t<std::ranges::range_reference_t<Range>>;
  using result = typename Spread::template result<F, item>;

  feeder(std::shared_ptr<pool_core> core, std::shared_ptr<task_sink> sink,
         std::shared_ptr<const task_options> options, F f, Range range, std::size_t chunk,
         time_point deadline)
    : core_(std::move(core)), sink_(std::move(sink)), options_(std::move(options)),
      f_(std::move(f)), range_(std::move(range)),
      chunk_(options_ && options_->hedge_after.count() != 0 ? 1 : chunk), deadline_(deadline) {}

  /// Submits one more unit of at most `limit` items; `sized` learns how many before the submit.
  /// Returns that number, 0 at the end of the input. An exception of the input comes when all
  /// before it is submitted. Throws timeout_error where there was no room until the deadline.
  template <class OnSize>
  std::size_t feed(std::size_t limit, OnSize&& sized) {
    if (input_error_)
      std::rethrow_exception(std::exchange(input_error_, nullptr));
    if (!it_)
      it_.emplace(std::ranges::begin(range_));
    auto count = chunk_ != 0 ? chunk_ : core_->chunk_hint(*sink_, remaining());
    count = count < limit ? count : limit;
    auto w = Spread::make(f_, std::type_identity<item>{});
    const auto bytes = chunk_ != 0 ? SIZE_MAX : core_->options().ring_capacity / 16;
    read(w, count, bytes);
    const std::size_t taken = w.items;
    if (taken == 0)
      return 0;
    w.first_item = fed_;
    w.sink = sink_;
    w.options = options_;
    w.room_until = deadline_;
    sized(taken);
    if (!core_->submit(std::move(w), admission::wait)) {
      out_of_time_ = true;
      throw timeout_error("the time for all results has passed while the backlog was full: "
                          + std::to_string(fed_) + " items were submitted");
    }
    fed_ += taken;
    return taken;
  }

  std::uint64_t fed() const noexcept { return fed_; }
  time_point deadline() const noexcept { return deadline_; }
  /// It threw because of its deadline.
  bool out_of_time() const noexcept { return out_of_time_; }

  /// Items of the input not yet fed; 0 where the range does not know its size.
  std::size_t remaining() const {
    if constexpr (std::ranges::sized_range<const Range>) {
      const auto all = static_cast<std::size_t>(std::ranges::size(range_));
      return all > fed_ ? all - static_cast<std::size_t>(fed_) : 0;
    } else
      return 0;
  }

private:
  /// Adds at most `count` items of together about `bytes`. The callable's own bytes do not count:
  /// a large one must not end the input.
  void read(work& w, std::size_t count, std::size_t bytes) {
    const auto is_small = [&] {
      const auto* along = w.body.descriptors();
      return w.body.size() - w.callable_bytes < bytes
             && (along == nullptr || along->size() < descriptor_list::most / 2);
    };
    if constexpr (block_of_items<Range> && Spread::one_argument)
      if (w.item_bytes == sizeof(item))
        return add_block(w, std::min(count, std::max<std::size_t>(1, bytes / sizeof(item))));
    auto whole = w.body.size();
    try {
      for (; w.items < count && is_small() && *it_ != std::ranges::end(range_); ++*it_) {
        Spread::add(w, static_cast<const item&>(**it_));
        whole = w.body.size();
      }
    } catch (abi::__forced_unwind&) {
      throw;
    } catch (...) {
      if (w.items == 0)
        throw;
      w.body.truncate(whole);
      input_error_ = std::current_exception();
    }
  }

  /// All at once: nothing of the user's runs, and nothing is between them.
  void add_block(work& w, std::size_t count)
    requires block_of_items<Range>
  {
    const auto left = static_cast<std::size_t>(std::ranges::end(range_) - *it_);
    count = std::min(count, left);
    if (count == 0)
      return;
    std::memcpy(w.body.grow(count * sizeof(item)), std::to_address(*it_), count * sizeof(item));
    w.items =
      static_cast<std::uint32_t>(std::min<std::size_t>(count, UINT32_MAX)); // too many: refused
    *it_ += static_cast<std::ranges::range_difference_t<Range>>(count);
  }

  std::shared_ptr<pool_core> core_;
  std::shared_ptr<task_sink> sink_;
  std::shared_ptr<const task_options> options_;
  F f_;
  Range range_;
  std::size_t chunk_;
  time_point deadline_;
  bool out_of_time_ = false;
  std::uint64_t fed_ = 0;
  std::optional<std::ranges::iterator_t<Range>> it_;
  std::exception_ptr input_error_;
};

/// Feeds a whole input into a map. When the input throws, what was submitted is cancelled or
/// awaited, and the exception goes on unchanged.
template <class Feeder>
void feed_all(Feeder& source, pool_core& core, map_state& state) {
  std::size_t announced = 0;
  const auto grow = [&](std::size_t count) {
    state.add_items(count);
    announced += count;
  };
  try {
    while (source.feed(SIZE_MAX, grow) != 0) {
    }
  } catch (...) {
    core.cancel_all(state);
    const auto lost = announced - static_cast<std::size_t>(source.fed());
    for (std::size_t i = 0; i < lost; ++i) // announced, but the submit itself threw
      state.on_failure(source.fed() + i, failure{});
    state.seal();
    if (!source.out_of_time()) // else nobody waits for what runs
      core.wait(state.latch(), time_point::max());
    throw;
  }
  state.seal();
}

} // namespace bulkhead::detail
