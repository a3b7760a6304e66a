#pragma once

#include <string>
#include <vector>

namespace bulkhead::command {

/// Columns of text for people: numbers to the right, words to the left.
class table {
public:
  explicit table(std::vector<std::string> head) : rows_{std::move(head)} {}

  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }

  std::string text() const;

private:
  std::vector<std::vector<std::string>> rows_;
};

} // namespace bulkhead::command
