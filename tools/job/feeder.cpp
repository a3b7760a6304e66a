#include "tools/job/feeder.hpp"

#include "tools/config/task_call.hpp"
#include "tools/job/named_work.hpp"

#include <bulkhead/error.hpp>

#include <algorithm>
#include <utility>

namespace bulkhead::command {

namespace {

constexpr std::size_t most_unit_bytes = std::size_t{1} << 20;

std::size_t window_of(const config::job& job, const pool_options& pool) {
  if (job.buffersize != 0)
    return job.buffersize;
  return std::min(pool.queue_capacity, 1024 * std::max<std::size_t>(1, pool.max_workers));
}

failure failure_of(failure_kind kind, const char* message) {
  failure f;
  f.kind = kind;
  f.message = message;
  return f;
}

} // namespace

feeder::feeder(const config::job& job, const detail::task_entry& task,
               std::shared_ptr<detail::pool_core> core, std::shared_ptr<completions> outcomes,
               int standard_input, journal* kept)
  : job_(job), task_(task), core_(std::move(core)), outcomes_(std::move(outcomes)),
    sink_(std::make_shared<stage_sink>(stage::map, outcomes_)),
    options_(std::make_shared<task_options>(job.task_options)),
    key_per_input_(job.task_options.key.find("{}") != std::string::npos),
    window_(window_of(job, core_->options())), source_(job, standard_input), kept_(kept),
    exhausted_(source_.ended()) {}

void feeder::feed(std::size_t held) {
  awaits_input_ = false;
  if (held_) {
    auto again = std::move(*held_);
    held_.reset();
    submit(std::move(again));
  }
  while (!exhausted_ && !held_) {
    const auto used = unfinished_.size() + held;
    if (used >= window_ || !feed_unit(window_ - used))
      return;
  }
}

bool feeder::feed_unit(std::size_t room) {
  auto count = job_.chunk != 0 ? job_.chunk : core_->chunk_hint(*sink_, source_.left());
  const bool alone = key_per_input_ || options_->hedge_after.count() != 0;
  count = alone ? 1 : std::min(count, room);
  // A unit that is only cut short by the window waits until half of it is free.
  if (job_.chunk > room && !unfinished_.empty())
    return false;
  auto w = named_work(task_, sink_, options_);
  w.first_item = fed_;
  const auto most = std::min(most_unit_bytes, core_->options().queue_bytes / 4);
  while (w.items < count && w.body.size() < most) {
    auto next = source_.next();
    if (!next) {
      awaits_input_ = true;
      break; // what has come is not held back for what has not
    }
    if (key_per_input_)
      w.options = options_for(next->value);
    if (!add_input(w, std::move(*next)))
      break; // items of a unit are numbered without gaps
  }
  if (w.items > 0)
    submit(std::move(w));
  exhausted_ = exhausted_ || source_.ended();
  return !awaits_input_;
}

bool feeder::add_input(detail::work& to, input from) {
  const auto item = fed_++;
  const bool any = !std::holds_alternative<config::no_input>(job_.input);
  const auto& input = unfinished_.emplace(item, std::move(from.value)).first->second;
  if (kept_ != nullptr && take_kept(item, input))
    return false;
  try {
    if (!from.wrong.empty())
      throw codec_error(from.wrong);
    add_call(to, task_, config::call_arguments(any ? &input : nullptr, job_.spread, job_.args));
    return true;
  } catch (const error& e) {
    outcomes_->put(completion{stage::map, item, failure_of(failure_kind::codec, e.what()), {}});
    return false;
  }
}

/// True where the input needs no task: an earlier run has its outcome, or the journal is in error.
bool feeder::take_kept(std::uint64_t item, const json& input) {
  if (auto outcome = kept_->find(item, input))
    outcomes_->put(std::move(*outcome));
  else if (!kept_->error().empty())
    outcomes_->put(completion{
      stage::map, item, failure_of(failure_kind::cancelled, "the journal is in error"), {}});
  else
    return false;
  return true;
}

void feeder::refuse(const detail::work& w, const failure& f) {
  for (std::uint64_t i = 0; i < w.items; ++i)
    outcomes_->put(completion{stage::map, w.first_item + i, f, {}});
}

void feeder::submit(detail::work&& w) {
  const bool rejects = core_->options().on_full == on_full::reject;
  detail::work numbers;
  numbers.items = w.items;
  numbers.first_item = w.first_item;
  try {
    if (!core_->submit(std::move(w),
                       rejects ? detail::admission::policy : detail::admission::try_only))
      held_ = std::move(w); // NOLINT(bugprone-use-after-move): refused, so it was given back
  } catch (const queue_full& e) {
    refuse(numbers, e.info());
  } catch (const too_large& e) {
    refuse(numbers, e.info());
  } catch (const error& e) { // closed or broken: it takes nothing more
    refuse(numbers, e.info());
    exhausted_ = true;
  }
}

std::shared_ptr<const task_options> feeder::options_for(const json& input) const {
  auto own = std::make_shared<task_options>(job_.task_options);
  own->key = config::key_for(own->key, input);
  return own;
}

void feeder::stop() {
  exhausted_ = true;
  if (held_) {
    const auto never = std::move(*held_);
    held_.reset();
    refuse(never, failure_of(failure_kind::cancelled, "the job was interrupted"));
  }
  core_->cancel_all(*sink_);
}

json feeder::take_input(std::uint64_t item) {
  auto node = unfinished_.extract(item);
  return node ? std::move(node.mapped()) : json{};
}

} // namespace bulkhead::command
