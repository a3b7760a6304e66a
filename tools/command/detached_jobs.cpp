#include "tools/command/commands.hpp"

#include "runtime/system/unique_fd.hpp"
#include "tools/command/detached.hpp"
#include "tools/config/load_job.hpp"
#include "tools/console/print_problems.hpp"
#include "tools/console/table.hpp"
#include "tools/console/write_out.hpp"
#include "tools/text/shown.hpp"

#include <array>
#include <chrono>
#include <cstdio>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

#include <fmt/format.h>

// Jobs without a terminal: started, listed, and looked at again.
namespace bulkhead::command {

namespace {

constexpr auto look_again_after = std::chrono::milliseconds{100};

int refuse(std::string_view place, std::string_view why, std::string_view remedy) {
  config::problems found;
  found.add(config::place{std::string(place)}, std::string(why), "", std::string(remedy));
  return print_problems(found, false);
}

/// The words of the call but --detach, which the job's own process is not told.
std::vector<std::string> words_of(int argc, char** argv) {
  std::vector<std::string> words;
  for (int i = 1; i < argc; ++i)
    if (const std::string_view word = argv[i]; word != "--detach")
      words.emplace_back(word);
  return words;
}

/// Copies what the file has got behind `at`.
void copy_new(const std::filesystem::path& file, off_t& at, int to) {
  const runtime::unique_fd in{::open(file.c_str(), O_RDONLY | O_CLOEXEC)};
  std::array<char, 65'536> block;
  for (ssize_t got = 0; in && (got = ::pread(in.get(), block.data(), block.size(), at)) > 0;
       at += got)
    if (!write_out(to, {block.data(), static_cast<std::size_t>(got)}))
      return;
}

std::string state_of(const detached_job& job) {
  if (job.runs())
    return "runs";
  const auto status = job.status();
  return status ? fmt::format("ended with {}", *status) : "interrupted";
}

} // namespace

int detach_job(const call& wanted, int argc, char** argv) {
  if (is_system(wanted))
    return refuse("--detach", "a system of actors has no journal behind which it could go on",
                  "run it in a terminal multiplexer, or as a service");
  config::problems found;
  auto asked = wanted.job;
  asked.journal = "journal"; // which it will have
  const auto job = config::load_job(asked, found);
  if (!job || !found.none())
    return print_problems(found, wanted.json);
  const auto* lines = std::get_if<config::line_input>(&job->input);
  if (lines != nullptr && lines->file == "-")
    return refuse("--detach", "the job's input is standard input, which stays with the terminal",
                  "a file in its place: --set input.lines=FILE");
  const auto made = detached_job::make(words_of(argc, argv));
  made.start();
  return print(fmt::format("{}\n", made.id())) ? 0 : 1;
}

int list_jobs(const call& wanted) {
  table rows{{"job", "state", "call"}};
  bool any = false;
  for (const auto& job : detached_job::all()) {
    if (wanted.clear && !job.runs() && job.status()) {
      job.remove();
      continue;
    }
    std::string words;
    for (const auto& word : job.words())
      if (word != "--journal")
        words += " " + word;
      else
        break;
    rows.add({job.id(), state_of(job), config::printable(words.substr(words.empty() ? 0 : 1))});
    any = true;
  }
  return print(any ? rows.text() : "no detached jobs: start one with bulkhead run FILE --detach\n")
           ? 0
           : 1;
}

// Until it ends; leaving, by Ctrl-C, leaves it running.
int attach_job(const call& wanted) {
  const auto job = detached_job::find(wanted.job_id);
  if (!job)
    return refuse(wanted.job_id, "there is no detached job of that name",
                  "one of those that \"bulkhead jobs\" lists");
  if (!job->runs() && !job->status()) {
    std::fputs("bulkhead: the job was interrupted; it goes on behind its journal\n", stderr);
    job->start();
  }
  off_t at = 0;
  while (true) {
    const bool running = job->runs(); // before the copy: what it wrote last is copied too
    copy_new(job->log(), at, STDERR_FILENO);
    if (!running)
      break;
    ::usleep(std::chrono::microseconds{look_again_after}.count());
  }
  at = 0;
  copy_new(job->output(), at, STDOUT_FILENO);
  const auto status = job->status();
  if (!status)
    std::fputs("bulkhead: the job was interrupted; attach again, and it goes on\n", stderr);
  return status.value_or(1);
}

} // namespace bulkhead::command
