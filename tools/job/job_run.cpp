#include "tools/job/job_run.hpp"

#include "tools/config/task_call.hpp"
#include "tools/console/write_out.hpp"
#include "tools/text/shown.hpp"

#include <bulkhead/parallelism.hpp>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <system_error>
#include <utility>

#include <poll.h>
#include <unistd.h>

#include <fmt/format.h>

namespace bulkhead::command {

using namespace std::chrono_literals;

namespace {

constexpr auto between_snapshots = 100ms;
constexpr auto until_room = 5ms;
constexpr auto long_wait = 5s;
constexpr std::size_t most_pending = std::size_t{1} << 20;

pool_options options_of(const config::job& job, std::shared_ptr<completions> arrivals) {
  auto options = job.pool;
  if (options.name.empty())
    options.name = job.name;
#ifdef BULKHEAD_WITH_RABBITMQ
  if (job.engine)
    options.engine = *job.engine;
#endif
  options.on_event = [to = std::move(arrivals)](const pool_event& event) { to->put(event); };
  return options;
}

std::unique_ptr<journal> journal_of(const config::job& job, const detail::task_entry& task) {
  return job.journal.empty() ? nullptr : std::make_unique<journal>(job, task);
}

short room_for(const result_file& file) noexcept { return file.pending() != 0 ? POLLOUT : 0; }

} // namespace

job_run::job_run(const config::job& job, signals& interrupts, progress& shown, const job_log& log,
                 streams standard, const sight_request& sight)
  : job_(job), interrupts_(interrupts), shown_(shown), log_(log),
    task_(detail::expect_task(job.task)), arrivals_(std::make_shared<completions>()),
    results_({job.output, job.append, job.ordered, standard.output}),
    failed_({job.failed, false, false, -1}), journal_(journal_of(job, task_)),
    pool_(options_of(job, arrivals_)), sight_(sight, pool_),
    feeder_(job, task_, pool_.core(), arrivals_, standard.input, journal_.get()),
    workers_(job.pool.workers != 0 ? job.pool.workers : available_parallelism()) {
  if (job.reduce)
    reducer_.emplace(job, pool_.core(), arrivals_);
  report_.name = job.name;
  report_.task = job.task;
}

report job_run::run() {
  if (const auto page = sight_.url(); !page.empty()) {
    tell(job_log::level::info, "the job shows at " + page, {{"url", page}});
    if (!log_.tells(job_log::level::info) && !log_.is_json())
      write_some(STDERR_FILENO, page + "\n"); // else nobody could find it
  }
  tell(log_.is_json() ? job_log::level::info : job_log::level::debug, "the job begins",
       {{"task", job_.task}});
  // Not before the pool is there: what cannot start leaves old results alone.
  while (!(results_.open() && failed_.open()) && report_.signal == 0)
    wait();
  while (!finished()) {
    if (results_.pending() + failed_.pending() < most_pending)
      feeder_.feed(results_.waiting());
    if (reducer_)
      reducer_->advance(!feeder_.exhausted() || feeder_.in_flight() != 0);
    if (!finished())
      wait();
  }
  report_.elapsed = clock::now() - started_;
  report_.inputs = feeder_.total();
  report_.inputs_unread = feeder_.left_unread();
  report_.input_error = feeder_.input_error();
  finish_results();
  report_.output_error = results_.error();
  report_.failed_file = job_.failed;
  report_.failed_error = failed_.error();
  report_.journal_file = job_.journal;
  report_.journal_error = journal_ ? journal_->error() : std::string{};
  shown_.finish(now());
  end_pool();
  if (reducer_) {
    report_.merges = reducer_->merges();
    report_.result = reducer_->value();
    const auto& failed = reducer_->failed();
    report_.reduce_failed = failed.has_value();
    if (failed && report_.signal == 0)
      note_failure({0, "reduce", nullptr, *failed});
  }
  return std::move(report_);
}

bool job_run::finished() const {
  const auto running = feeder_.in_flight() + (reducer_ ? reducer_->in_flight() : 0);
  if (!feeder_.exhausted() || running != 0)
    return false;
  return !reducer_ || reducer_->done();
}

void job_run::wait() {
  const bool held = feeder_.holds_back() || (reducer_ && reducer_->holds_back());
  const auto pause = held ? until_room : between_snapshots;
  const auto next = std::min(cut_off_at_, clock::now() + pause);
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(next - clock::now());
  const int awaited =
    results_.pending() + failed_.pending() < most_pending ? feeder_.awaited() : -1;
  pollfd watched[] = {{interrupts_.fd(), POLLIN, 0},
                      {arrivals_->fd(), POLLIN, 0},
                      {results_.fd(), room_for(results_), 0},
                      {awaited, POLLIN, 0},
                      {failed_.fd(), room_for(failed_), 0}};
  ::poll(watched, 5, static_cast<int>(std::max<std::int64_t>(0, left.count())));
  constexpr short gone = POLLERR | POLLHUP; // met also while there is nothing to write
  if ((watched[2].revents & gone) != 0)
    results_.fail(std::system_category().message(EPIPE));
  if ((watched[4].revents & gone) != 0)
    failed_.fail(std::system_category().message(EPIPE));
  handle_signal();
  if (clock::now() >= cut_off_at_)
    cut_off();
  take_outcomes();
  write_results();
  take_snapshot();
  shown_.show(now());
}

/// After each batch of outcomes: a job that is killed leaves in the file what was done.
void job_run::write_results() {
  results_.flush();
  failed_.flush();
  const bool written = results_.error().empty() && failed_.error().empty();
  if ((written && (!journal_ || journal_->error().empty())) || unwritable_)
    return;
  unwritable_ = true;
  withdraw(); // nobody reads, or keeps, what further tasks would bring
}

/// No more inputs; what runs has the grace to finish, and is cut off then.
void job_run::withdraw() {
  cut_off_at_ = std::min(cut_off_at_, clock::now() + job_.pool.grace);
  feeder_.stop();
  if (reducer_)
    reducer_->stop();
}

/// Writes the rest. After an interruption a reader that does not read has the grace, and no more
/// than the next signal.
void job_run::finish_results() {
  results_.release();
  write_results();
  auto until = report_.signal != 0 ? clock::now() + job_.pool.grace : clock::time_point::max();
  while (results_.pending() + failed_.pending() != 0 && clock::now() < until) {
    pollfd watched[] = {{interrupts_.fd(), POLLIN, 0},
                        {results_.fd(), room_for(results_), 0},
                        {failed_.fd(), room_for(failed_), 0}};
    ::poll(watched, 3, static_cast<int>(between_snapshots / 1ms));
    if (const auto signal = interrupts_.take()) {
      until = report_.signal == 0 ? clock::now() + job_.pool.grace : clock::now();
      report_.signal = signal;
    }
    write_results();
  }
  for (auto* file : {&results_, &failed_}) {
    if (file->pending() != 0)
      file->fail("the job was interrupted while nobody read them");
    file->check();
  }
}

void job_run::handle_signal() {
  while (const auto signal = interrupts_.take()) {
    if (report_.signal == 0)
      interrupt(signal);
    else
      cut_off();
  }
}

void job_run::interrupt(int signal) {
  report_.signal = signal;
  tell(job_log::level::warning,
       fmt::format("{}: no more inputs; running tasks have {:.1f} s to finish, again to kill them",
                   signal == SIGINT ? "Ctrl-C" : signal_name(signal),
                   std::chrono::duration<double>(job_.pool.grace).count()),
       {{"signal", signal_name(signal)}});
  withdraw();
}

void job_run::cut_off() {
  cut_off_at_ = clock::time_point::max();
  take_snapshot();
  pool_.terminate(); // every task has an outcome after it
}

void job_run::take_snapshot() {
  if (clock::now() < snapshot_at_)
    return;
  snapshot_at_ = clock::now() + between_snapshots;
  workers_.on_snapshot(pool_.workers());
}

void job_run::end_pool() {
  snapshot_at_ = {};
  take_snapshot();
  // Workers have nothing to do any more: they end in order, and are killed if they do not.
  pool_.close();
  const auto until = clock::now() + job_.pool.grace;
  while (!pool_.join(between_snapshots) && clock::now() < until)
    if (const auto signal = interrupts_.take()) {
      report_.signal = report_.signal != 0 ? report_.signal : signal;
      break;
    }
  pool_.terminate();
  for (const auto& event : arrivals_->take().events) // the last ones: all workers have told
    on_event(event);
  report_.pool = pool_.stats();
  report_.workers = workers_.rows();
  report_.sight_error = sight_.finish(job_.name, job_.task);
  report_.sight = sight_.as_json();
}

/// An input whose task takes long, or the writer of the inputs where all that came is done.
std::string job_run::waited_for() const {
  const auto since = clock::now() - oldest_since_;
  if (since < long_wait)
    return {};
  if (const auto* oldest = feeder_.oldest())
    return fmt::format("input {} ({}) for {} s", oldest->first,
                       config::shortened(config::shown(oldest->second), 40), since / 1s);
  if (feeder_.awaits_input())
    return fmt::format("{}, for {} s", feeder_.place(), since / 1s);
  return {};
}

advance job_run::now() const {
  return {report_.succeeded + report_.failed,
          feeder_.total(),
          report_.failed,
          clock::now() - started_,
          report_.cancelled,
          waited_for(),
          !feeder_.counted(),
          workers_.running(),
          report_.kept};
}

} // namespace bulkhead::command
