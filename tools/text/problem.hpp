#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace bulkhead::config {

/// Where a value stands: a file or a command line argument, and the position in it. Lines and
/// columns count from 1, columns in characters; 0 means the source as a whole.
struct place {
  std::string source;
  std::size_t line = 0;
  std::size_t column = 0;

  friend bool operator==(const place&, const place&) = default;
};

/// One thing that is wrong, in the three parts that a reader needs to mend it.
struct problem {
  place where;
  std::string what;     ///< names the key and shows the value: "pool.workers is -3"
  std::string expected; ///< "a whole number from 0 to 4096"
  std::string remedy;   ///< what to write instead; names the nearest known key
};

/// All problems of a job, and the texts they point into.
class problems {
public:
  /// Control characters and what is no UTF-8 are escaped: texts may quote the job as it stands.
  /// Beyond `most_kept` they are only counted, so that a large wrong file has a bounded report.
  void add(problem p);
  void add(place where, std::string what, std::string expected, std::string remedy) {
    add(problem{std::move(where), std::move(what), std::move(expected), std::move(remedy)});
  }

  /// The same; what is found at its place later follows from it and is left out.
  void add_last(problem p);

  /// Something odd that is no reason to refuse the job.
  void warn(const std::string& text);
  const std::vector<std::string>& warnings() const noexcept { return warnings_; }

  /// Remembers a text so that render() can show the lines that problems point to.
  void know_text(const std::string& source, std::string_view text);

  bool none() const noexcept { return found_.empty(); }
  /// All that were found, also those that are not kept.
  std::size_t count() const noexcept { return found_.size() + dropped_; }
  const std::vector<problem>& all() const noexcept { return found_; }

  static constexpr std::size_t most_kept = 1000;
  static constexpr std::size_t most_shown = 100;

  /// A report for people, in the order of the file, of at most `most_shown`:
  ///
  ///     job.json:4:14: pool.workers is -3
  ///         4 |   "workers": -3,
  ///           |              ^
  ///       expected: a whole number from 0 to 4096
  ///       remedy:   write "workers": 4, or leave it out (default: 0)
  std::string render() const;

private:
  std::string excerpt(const place& where) const;

  std::vector<problem> found_;
  std::vector<std::string> warnings_;
  std::vector<place> settled_;
  std::size_t dropped_ = 0;
  std::map<std::string, std::string> texts_;
};

} // namespace bulkhead::config
