#include <bulkhead/observe/trace.hpp>

#include "observe/model/watched.hpp"
#include "observe/output/trace_events.hpp"

#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <map>
#include <mutex>
#include <system_error>
#include <utility>

// Writes what the watch hears, as it hears it, in the watch's thread. The mutex orders it with the
// end of the trace; the file is bounded by the number of slices, and says so where it was cut.
namespace bulkhead::observe {

namespace {

/// What a trace holds at most; a viewer takes less.
constexpr std::uint64_t most_slices = 5'000'000;
/// Slices with arrows, which take more than the slices themselves.
constexpr std::uint64_t most_arrows = 20'000;

} // namespace

struct trace::writer {
  writer(const pool& of, const std::filesystem::path& file)
    : seen(of), out(file, std::ios::binary | std::ios::trunc) {
    if (!out)
      throw std::system_error(errno, std::generic_category(),
                              "the trace cannot be written to " + file.string());
    const auto now = seen.now({UINT64_MAX, UINT64_MAX, UINT64_MAX});
    out << detail::trace_begin(now.host, now.pool);
    for (const auto& w : now.workers)
      name_track(w.worker.kind, w.worker.id, w.worker.pid);
    seen.shared()->want_takes(true);
    listener = seen.shared()->listen([this](const detail::watched::news& what) { write(what); });
  }

  ~writer() { finish(); }

  void write(const detail::watched::news& what) {
    const std::lock_guard lock{mutex};
    for (const auto& e : what.events) // a worker has its track before its first slice
      if (e.event.kind == event_kind::started)
        name_track(e.among, e.event.worker, e.event.pid);
    for (const auto& s : what.ended) {
      if (slices++ < most_slices)
        out << detail::trace_slice(seen_host, s);
      if (slices <= most_arrows) {
        out << detail::trace_arrows(seen_host, s);
        if (s.worker != 0)
          untaken.emplace(s.task, s);
      }
    }
    if (slices > most_arrows)
      hear_no_takes();
    for (const auto& t : what.takes)
      write_take(t);
    for (const auto& m : what.messages)
      if (slices++ < most_slices)
        out << detail::trace_message(seen_host, m);
    for (const auto& s : what.spans)
      if (slices++ < most_slices)
        out << detail::trace_span(seen_host, s);
    for (const auto& e : what.events)
      out << detail::trace_instant(seen_host, e);
    if (what.now.at != last_point)
      out << detail::trace_counters(seen_host, what.now);
    last_point = what.now.at;
  }

  void hear_no_takes() noexcept {
    if (std::exchange(hears_takes, false))
      seen.shared()->want_takes(false);
  }

  void write_take(const detail::take_sight& t) {
    // The first items of slices alone are known by their task; of a map nobody asks for the others.
    if (const auto found = untaken.find(t.task); found != untaken.end()) {
      out << detail::trace_take(seen_host, found->second, t.at);
      untaken.erase(found);
    }
  }

  void name_track(worker_kind kind, std::size_t worker, pid_t pid) {
    out << detail::trace_track(seen_host, kind, worker, pid);
  }

  std::string finish() noexcept try {
    if (std::exchange(finished, true))
      return error;
    seen.now({UINT64_MAX, UINT64_MAX, UINT64_MAX}); // tells what came by now
    seen.shared()->leave(listener);
    hear_no_takes();
    const std::lock_guard lock{mutex};
    out << detail::trace_end();
    out.close();
    if (!out)
      error = "the trace could not be written to its end: the disk may be full";
    else if (slices > most_slices)
      error = "the trace ends after " + std::to_string(most_slices) + " of "
              + std::to_string(slices) + " slices";
    return error;
  } catch (const std::exception&) {
    return {};
  }

  watch seen;
  const pid_t seen_host = ::getpid();
  std::mutex mutex;
  std::ofstream out;
  std::uint64_t listener = 0;
  std::uint64_t slices = 0;
  std::map<std::uint64_t, slice> untaken; ///< those with arrows, by their task
  std::chrono::nanoseconds last_point{-1};
  bool hears_takes = true;
  bool finished = false;
  std::string error;
};

trace::trace(const pool& of, const std::filesystem::path& file)
  : writer_(std::make_shared<writer>(of, file)) {}

trace::~trace() = default;
trace::trace(trace&&) noexcept = default;
trace& trace::operator=(trace&&) noexcept = default;

std::string trace::finish() noexcept { return writer_ ? writer_->finish() : std::string{}; }

} // namespace bulkhead::observe
