#pragma once

#include "tools/config/job.hpp"
#include "tools/job/completions.hpp"

#include <bulkhead/detail/task_entry.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

struct sqlite3;
struct sqlite3_stmt;

namespace bulkhead::command {

using config::json;

/// The outcomes of a job's inputs in a file, so that a job that was interrupted, by whatever, goes
/// on behind them. A database of SQLite: what a killed host was just writing is not there when it
/// is opened again, and all before it is. One job at a time.
class journal {
public:
  /// Opens the file of job.journal, or makes it. Throws config_error where it is no journal,
  /// another job's or in use, or cannot be opened.
  journal(const config::job& job, const detail::task_entry& task);
  ~journal();
  journal(const journal&) = delete;
  journal& operator=(const journal&) = delete;

  /// Inputs that have an outcome which counts.
  std::uint64_t size();

  /// The outcome of an input, where an earlier run has left one. An input that is another than the
  /// journal has at this place is an error.
  std::optional<completion> find(std::uint64_t item, const json& input);

  /// Keeps an outcome of the map, unless it says nothing of the input: a task that was cancelled or
  /// refused runs when the job goes on. On disk after flush().
  void put(const completion& c, const json& input);
  void flush();

  /// Why nothing is kept any more; empty where all is well.
  const std::string& error() const noexcept { return error_; }

private:
  struct close_database {
    void operator()(sqlite3* db) const noexcept;
  };
  struct end_statement {
    void operator()(sqlite3_stmt* s) const noexcept;
  };
  using statement = std::unique_ptr<sqlite3_stmt, end_statement>;

  void open();
  void make(const json& identity);
  void compare(const json& identity);
  bool run(const char* sql) noexcept;
  void expect(const char* sql);
  std::int64_t number(const char* sql);
  statement prepare(const char* sql);
  [[noreturn]] void refuse(int code);
  void fail(const std::string& why);

  const std::string file_;
  const bool failed_again_; ///< failures do not count as outcomes
  std::unique_ptr<sqlite3, close_database> db_;
  statement find_;
  statement put_;
  bool open_transaction_ = false;
  std::string error_;
};

} // namespace bulkhead::command
