#pragma once

#include <bulkhead/detail/task_entry.hpp>
#include <bulkhead/detail/task_sink.hpp>

#include <memory>
#include <span>

namespace bulkhead::command {

/// A unit of work that calls a named task; no items yet.
detail::work named_work(const detail::task_entry& task, std::shared_ptr<detail::task_sink> sink,
                        std::shared_ptr<const task_options> options);

/// Appends a call with these arguments. Throws config_error, with the unit unchanged, where they
/// do not fit the task.
void add_call(detail::work& to, const detail::task_entry& task,
              std::span<const detail::value> values);

/// Appends a call whose one argument is the list of some results of tasks, as their workers sent
/// them: a list travels as its length and its elements, so nothing is decoded here. The task must
/// take a list of exactly the type of the results.
void add_call_on_results(detail::work& to, std::span<const detail::buffer> results);

/// Appends a call whose one argument is one such result.
void add_call_on_bytes(detail::work& to, const detail::buffer& result);

} // namespace bulkhead::command
