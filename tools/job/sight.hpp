#pragma once

#include "tools/console/call.hpp"

#include <bulkhead/observe.hpp>
#include <bulkhead/pool.hpp>

#include <optional>
#include <string>

namespace bulkhead::command {

/// What shows a job from outside while it runs, and afterwards: the page, the time line, the
/// report. Nothing where none of them is wanted.
class sight {
public:
  /// Throws config_error and std::system_error where one cannot be served or written.
  sight(const sight_request& wanted, const pool& of);

  /// Where the page is; "" where there is none.
  std::string url() const { return page_ ? page_->url() : std::string{}; }

  /// After the pool has ended: writes what is left. One line for each that could not be written.
  std::string finish(const std::string& job, const std::string& task);

  /// The figures for the report of --json; "" where nobody looked on.
  std::string as_json() const { return seen_ ? observe::report_json(seen_->now()) : std::string{}; }

private:
  const sight_request& wanted_;
  std::optional<observe::watch> seen_;
  std::optional<observe::web_page> page_;
  std::optional<observe::trace> trace_;
};

/// A token that nobody guesses.
std::string random_token();

} // namespace bulkhead::command
