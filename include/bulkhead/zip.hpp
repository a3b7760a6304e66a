#pragma once

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <ranges>
#include <tuple>
#include <type_traits>
#include <utility>

namespace bulkhead {

/// Several ranges side by side, as a range of tuples that ends with the shortest: the input of
/// starmap and its kin where a function takes one argument of each. Made by zip().
template <std::ranges::view... Views>
class zip_range : public std::ranges::view_base {
public:
  using item = std::tuple<std::remove_cvref_t<std::ranges::range_reference_t<Views>>...>;

  explicit zip_range(Views... views) : views_(std::move(views)...) {}

  class iterator {
  public:
    using value_type = item;
    using difference_type = std::ptrdiff_t;

    iterator() = default;
    explicit iterator(zip_range& range)
      : at_(
        std::apply([](auto&... v) { return std::tuple{std::ranges::begin(v)...}; }, range.views_)),
        ends_(std::apply([](auto&... v) { return std::tuple{std::ranges::end(v)...}; },
                         range.views_)) {}

    item operator*() const {
      return std::apply([](const auto&... i) { return item{*i...}; }, at_);
    }
    iterator& operator++() {
      std::apply([](auto&... i) { (static_cast<void>(++i), ...); }, at_);
      return *this;
    }
    void operator++(int) { ++*this; }
    bool operator==(std::default_sentinel_t) const {
      return any_ended(std::index_sequence_for<Views...>{});
    }

  private:
    template <std::size_t... I>
    bool any_ended(std::index_sequence<I...>) const {
      return ((std::get<I>(at_) == std::get<I>(ends_)) || ...);
    }

    std::tuple<std::ranges::iterator_t<Views>...> at_;
    std::tuple<std::ranges::sentinel_t<Views>...> ends_;
  };

  iterator begin() { return iterator{*this}; }
  std::default_sentinel_t end() const noexcept { return {}; }

  std::size_t size() const
    requires(std::ranges::sized_range<const Views> && ...)
  {
    return std::apply(
      [](const auto&... v) {
        return std::min({static_cast<std::size_t>(std::ranges::size(v))...});
      },
      views_);
  }

private:
  std::tuple<Views...> views_;
};

/// The ranges side by side; a range that is no lvalue is kept.
///
///     pool.starmap(power, bulkhead::zip(bases, exponents));
template <std::ranges::viewable_range... Ranges>
  requires(sizeof...(Ranges) >= 2)
auto zip(Ranges&&... ranges) {
  return zip_range{std::views::all(std::forward<Ranges>(ranges))...};
}

} // namespace bulkhead
