#include "runtime/lone_process/process_outcome.hpp"

#include "runtime/crash/crash_words.hpp"
#include "runtime/outcome/failure_of.hpp"
#include "runtime/outcome/failure_wire.hpp"
#include "runtime/process/exit_classifier.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace bulkhead::runtime {

namespace {

// Empty where the file does not have what the page says.
std::optional<std::vector<std::byte>> read_file(int file, std::uint64_t bytes) {
  struct stat about {};
  const auto there = ::fstat(file, &about) == 0 ? static_cast<std::uint64_t>(about.st_size) : 0;
  if (bytes > there || bytes > max_process_result)
    return {};
  std::vector<std::byte> content(static_cast<std::size_t>(bytes));
  for (std::size_t done = 0; done < content.size();) {
    const auto count =
      ::pread(file, content.data() + done, content.size() - done, static_cast<off_t>(done));
    if (count == 0 || (count < 0 && errno != EINTR))
      return {};
    done += count > 0 ? static_cast<std::size_t>(count) : 0;
  }
  return content;
}

failure death_of(const ended_process& ended, const exit_status& status, const process_page& page) {
  failure f;
  f.kind = failure_kind::worker_died;
  f.exit = status;
  const auto said = tell_crash(f, read_crash(page.recorder));
  f.message = "process " + ended.name + (status.signal != 0 ? " was " : " ") + to_string(status)
              + said.how + (status.signal == 0 ? " before its function returned" : "") + said.why;
  if (!ended.exit.start_error.empty())
    f.message = "process " + ended.name + " could not start: " + ended.exit.start_error;
  f.may_have_executed = ended.exit.started;
  return f;
}

} // namespace

process_outcome outcome_of(const ended_process& ended, const process_page& page, int file) {
  const auto status = classify_exit(ended.exit, exit_cause::none, ended.exit.started);
  // A process that was killed or chose another code has not delivered, whatever its page says.
  const auto in_order = !ended.exit.known || (status.signal == 0 && status.code <= 1);
  const auto end = page.end.load(std::memory_order_acquire); // pairs with ending::deliver
  const auto bytes = page.bytes.load(std::memory_order_relaxed);
  process_outcome made;
  std::optional<std::vector<std::byte>> content;
  if (in_order && end != process_end::nothing)
    content = read_file(file, bytes);
  if (content && end == process_end::value && status.code == 0) {
    made.value = std::move(*content);
    return made;
  }
  if (end == process_end::nothing && ended.returns_nothing && ended.exit.known && status.code == 0
      && status.signal == 0)
    return made; // it called exit(0), which is as good
  failure f;
  if (!content || end != process_end::failure || !decode_failure(*content, f))
    f = death_of(ended, status, page);
  f.worker = ended.pid;
  f.exit = status;
  f.last_output += ended.output;
  made.why = std::move(f);
  return made;
}

} // namespace bulkhead::runtime
