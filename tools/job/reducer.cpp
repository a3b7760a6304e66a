#include "tools/job/reducer.hpp"

#include "tools/config/task_call.hpp"
#include "tools/job/named_work.hpp"

#include <bulkhead/error.hpp>

#include <algorithm>
#include <utility>

namespace bulkhead::command {

namespace {

/// As the tasks of the map, but before them: results that are merged free memory.
std::shared_ptr<const task_options> options_of(const config::job& job) {
  auto options = std::make_shared<task_options>(job.task_options);
  options->key = job.task_options.key.empty() ? "" : "reduce";
  options->priority = std::min(job.task_options.priority, 1'000'000) + 1;
  options->deadline = {};
  return options;
}

const detail::task_entry* find(const std::string& name) {
  return name.empty() ? nullptr : &detail::expect_task(name);
}

} // namespace

reducer::reducer(const config::job& job, std::shared_ptr<detail::pool_core> core,
                 const std::shared_ptr<completions>& outcomes)
  : how_(*job.reduce), merge_(*find(how_.task)), finish_(find(how_.finish)), core_(std::move(core)),
    merge_sink_(std::make_shared<stage_sink>(stage::merge, outcomes)),
    finish_sink_(std::make_shared<stage_sink>(stage::finish, outcomes)), options_(options_of(job)) {
}

void reducer::advance(bool more) {
  if (done_)
    return;
  if (held_) {
    auto again = std::move(*held_);
    held_.reset();
    submit(std::move(again));
  }
  while (parts_.size() >= how_.batch && !done_ && !held_)
    merge_some();
  if (more || running_ != 0 || done_ || held_)
    return;
  if (parts_.size() > 1)
    merge_some();
  else if (parts_.empty())
    done_ = true; // no task succeeded
  else
    finish();
}

void reducer::merge_some() {
  // A batch is cut short where it would fill the queue by itself.
  const auto most = core_->options().queue_bytes / 4;
  std::vector<detail::buffer> batch;
  std::size_t bytes = 0;
  while (!parts_.empty() && batch.size() < how_.batch && (batch.size() < 2 || bytes < most)) {
    bytes += parts_.front().size();
    batch.push_back(std::move(parts_.front()));
    parts_.pop_front();
  }
  auto w = named_work(merge_, merge_sink_, options_);
  add_call_on_results(w, batch);
  w.first_item = merges_++;
  submit(std::move(w));
}

void reducer::finish() {
  auto last = std::move(parts_.front());
  parts_.clear();
  if (finish_ == nullptr)
    return on_completion(completion{stage::finish, 0, std::nullopt, std::move(last)});
  auto w = named_work(*finish_, finish_sink_, options_);
  add_call_on_bytes(w, last);
  submit(std::move(w));
}

void reducer::submit(detail::work&& w) {
  try {
    if (core_->submit(std::move(w), detail::admission::try_only))
      ++running_;
    else
      held_ = std::move(w); // NOLINT(bugprone-use-after-move): refused, so it was given back
  } catch (const error& e) {
    fail(e.info());
  }
}

void reducer::on_completion(completion c) {
  if (running_ > 0)
    --running_;
  if (c.failed)
    return fail(std::move(*c.failed));
  if (c.from == stage::merge)
    return parts_.push_back(std::move(c.result));
  try {
    const auto& task = finish_ != nullptr ? *finish_ : merge_;
    value_ = config::to_json(task.result_to_value(c.result.bytes()));
    done_ = true;
  } catch (const error& e) {
    fail(e.info());
  }
}

void reducer::fail(failure f) {
  // Without the results that were in it a merged value would be a wrong one.
  if (!failed_)
    failed_ = std::move(f);
  stop();
}

void reducer::stop() {
  done_ = true;
  held_.reset();
  parts_.clear();
  core_->cancel_all(*merge_sink_);
  core_->cancel_all(*finish_sink_);
}

} // namespace bulkhead::command
