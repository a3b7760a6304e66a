#pragma once

#include <bulkhead/detail/onlooker.hpp>
#include <bulkhead/pool_info.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace bulkhead::runtime {

/// What workers had more after calls than before them, by function. A plain value.
class growth_book {
public:
  using figures = std::array<std::int64_t, 3>; ///< bytes of memory, descriptors, threads

  struct row {
    detail::called what;
    std::uint64_t calls = 0;
    figures sums{};
  };

  /// `more` is a worker's word: sums are kept from overflowing. Of functions beyond 1024, and
  /// where there is no memory, nothing is noted.
  void add(const detail::called& what, const figures& more) noexcept;
  const std::vector<row>& rows() const noexcept { return rows_; }

private:
  static constexpr std::size_t most_rows = 1024;
  std::vector<row> rows_;
};

/// With the names of the functions, the largest memory first. Slow: opens the files of modules.
std::vector<task_growth> named_growth(const std::vector<growth_book::row>& rows);

} // namespace bulkhead::runtime
