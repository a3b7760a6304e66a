#include "tools/config/checks.hpp"
#include "tools/config/json_line.hpp"
#include "tools/config/task_call.hpp"
#include "tools/text/nearest.hpp"
#include "tools/text/shown.hpp"
#include "tools/text/source.hpp"

#include <bulkhead/error.hpp>
#include <bulkhead/library.hpp>

#include <algorithm>
#include <cstdlib>
#include <exception>
#include <set>

#include <unistd.h>

#include <fmt/format.h>

namespace bulkhead::config {

namespace fs = std::filesystem;

namespace {

using detail::task_entry;

std::string loading; // the library whose constructors run

[[noreturn]] void end_of_loading() {
  std::string why = "an exception";
  try {
    if (const auto thrown = std::current_exception())
      std::rethrow_exception(thrown);
  } catch (const std::exception& e) {
    why = e.what();
  } catch (...) { // NOLINT(bugprone-empty-catch): it has no text
  }
  const auto text = fmt::format("bulkhead: {} cannot be loaded: a static constructor in it ended "
                                "with: {}\nnothing was started\n",
                                printable(loading), printable(why));
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, text.data(), text.size());
  std::_Exit(2);
}

/// 0 where two tasks have one name, which is told elsewhere.
std::size_t number_of_tasks() {
  try {
    return detail::all_tasks().size();
  } catch (const config_error&) {
    return 0;
  }
}

class task_checks {
public:
  task_checks(const document& from, const job& wanted, problems& found, bool tasks_are_due = true)
    : from_(from), wanted_(wanted), found_(found), tasks_are_due_(tasks_are_due) {}

  void check() {
    load();
    const auto* task = find(pointer("/task"), wanted_.task);
    if (task != nullptr)
      check_calls(*task);
    check_reduce(task);
  }

  void load() {
    const pointer list("/load");
    const auto in_file = from_.root.contains(list) ? from_.root.at(list).size() : 0;
    std::set<fs::path> loaded;
    for (std::size_t i = 0; i < wanted_.load.size(); ++i) {
      const auto& library = wanted_.load[i];
      problem p;
      const bool from_file = i < in_file;
      p.where = from_file ? from_.value_place(list / i) : place{"--load " + library.string()};
      const auto name = from_file ? path_text(list / i) : std::string("--load");
      if (!loaded.insert(library.lexically_normal()).second)
        p = twice(p.where, name, library);
      else if (const auto before = number_of_tasks(); !load_one(library, name, p))
        libraries_missing_ = true;
      else
        warn_without_tasks(name, library, before);
      if (!p.what.empty())
        found_.add(p);
    }
  }

private:
  void add(const pointer& at, std::string why, std::string expected, std::string remedy) {
    const auto value = from_.root.contains(at) ? from_.root.at(at) : json{};
    found_.add(from_.value_place(at), fmt::format("{} is {}, {}", path_text(at), shown(value), why),
               std::move(expected), std::move(remedy));
  }

  static problem twice(const place& where, const std::string& name, const fs::path& library) {
    return {where, fmt::format("{} is {}, which is loaded already", name, library.string()),
            "each task library once", "remove it"};
  }

  static bool load_one(const fs::path& library, const std::string& name, problem& p) {
    p.expected = "a task library: a shared library with BULKHEAD_TASKs";
    std::error_code error;
    const auto status = fs::status(library, error);
    if (!fs::exists(status)) {
      p.what = fmt::format("{} is {}, which does not exist", name, library.string());
      p.remedy = "build it, or check the path; it is taken relative to the configuration file";
      return false;
    }
    if (!fs::is_regular_file(status)) {
      p.what = fmt::format("{} is {}, {}", name, library.string(), kind_of(status.type()));
      p.remedy = "give the path of the library itself";
      return false;
    }
    try {
      load_watched(library);
      return true;
    } catch (const config_error& e) {
      p.what = fmt::format("{} is {}, which does not load", name, library.string());
      p.remedy = fmt::format("the dynamic linker says: {}", linker_words(e.what()));
      return false;
    }
  }

  /// A static constructor that throws ends the process inside dlopen: this says whose it was.
  static void load_watched(const fs::path& library) {
    loading = library.string();
    const auto before = std::set_terminate(end_of_loading);
    load_library(library);
    std::set_terminate(before);
  }

  void warn_without_tasks(const std::string& name, const fs::path& library, std::size_t before) {
    if (tasks_are_due_ && number_of_tasks() == before)
      found_.warn(fmt::format("{} is {}, a library that has no BULKHEAD_TASK of its own", name,
                              library.string()));
  }

  /// What stands behind "cannot be loaded: ", without the path it repeats.
  static std::string linker_words(std::string_view text) {
    constexpr std::string_view before = "cannot be loaded: ";
    if (const auto at = text.find(before); at != std::string_view::npos)
      text.remove_prefix(at + before.size());
    return std::string(text);
  }

  const task_entry* find(const pointer& at, const std::string& name) {
    if (name.empty())
      return nullptr; // reported as missing already
    try {
      if (const auto* task = detail::find_task(name))
        return task;
    } catch (const config_error& e) {
      add(at, "a name that two tasks have", "a name of one task", e.what());
      return nullptr;
    }
    std::vector<std::string> names;
    for (const auto* task : detail::all_tasks())
      names.emplace_back(task->name);
    auto remedy = did_you_mean(name, names);
    if (remedy.empty())
      remedy = libraries_missing_ ? "load its library first (see above)"
                                  : "load the library that has it: \"load\": [\"libtasks.so\"]";
    add(at, "which is no known task",
        names.empty() ? "the name of a task" : "one of " + listed(names, 12), std::move(remedy));
    return nullptr;
  }

  /// Encodes the calls as the run will, and drops the bytes.
  void check_calls(const task_entry& task) {
    if (std::holds_alternative<no_input>(wanted_.input))
      return check_call(task, nullptr, pointer("/task"));
    if (const auto* list = std::get_if<list_input>(&wanted_.input)) {
      const auto count = std::min(list->items.size(), checked_inputs);
      for (std::size_t i = 0; i < count; ++i)
        if (!wanted_.spread || list->items[i].is_array())
          check_call(task, &list->items[i], pointer("/input/list") / i);
      return;
    }
    const auto* lines = std::get_if<line_input>(&wanted_.input);
    if (lines != nullptr && lines->json)
      return check_json_lines(task, *lines);
    const auto* range = std::get_if<range_input>(&wanted_.input);
    const json sample = range != nullptr ? json(range->from) : json("text");
    const auto kind = from_.root.at(pointer("/input")).items().begin().key();
    check_call(task, &sample, pointer("/input") / kind);
  }

  /// Those of a regular file; what comes through a pipe is looked at when it has come.
  void check_json_lines(const task_entry& task, const line_input& from) {
    visit_json_lines(from.file, checked_inputs, wanted_.pool.queue_bytes,
                     [&](std::uint64_t number, const std::string&, const json_line& line) {
                       if (line.value && (!wanted_.spread || line.value->is_array()))
                         check_json_line(task, *line.value, {from.file.string(), number, 1});
                     });
  }

  void check_json_line(const task_entry& task, const json& input, const place& at) {
    const auto values = call_arguments(&input, wanted_.spread, wanted_.args);
    const auto signature = fmt::format("{} {}", task.name, signature_text(task));
    if (values.size() != task.arguments.size())
      return found_.add(at,
                        fmt::format("the task {} takes {} argument{}, {} given by {}", task.name,
                                    task.arguments.size(), task.arguments.size() == 1 ? "" : "s",
                                    values.size(), shown(input)),
                        signature, count_remedy(task.arguments.size(), values.size()));
    try {
      detail::buffer bytes;
      task.encode_values(bytes, values);
    } catch (const error& e) {
      found_.add(at, fmt::format("the input is {}, which does not fit {}", shown(input), e.what()),
                 signature, "write a value that fits, or choose another task");
    }
  }

  void check_call(const task_entry& task, const json* input, const pointer& at) {
    const auto values = call_arguments(input, wanted_.spread, wanted_.args);
    const auto signature = fmt::format("{} {}", task.name, signature_text(task));
    if (values.size() != task.arguments.size()) {
      if (!count_reported_)
        found_.add(from_.value_place(wanted_.args.empty() ? at : pointer("/args")),
                   fmt::format("the task {} takes {} argument{}, {} given", task.name,
                               task.arguments.size(), task.arguments.size() == 1 ? "" : "s",
                               values.size()),
                   signature, count_remedy(task.arguments.size(), values.size()));
      count_reported_ = true;
      return;
    }
    try {
      detail::buffer bytes;
      task.encode_values(bytes, values);
    } catch (const error& e) {
      refuse_argument(e.what(), input, at, signature);
    }
  }

  std::string count_remedy(std::size_t wanted, std::size_t given) const {
    if (wanted < given)
      return wanted_.args.empty() ? "leave \"input\" out" : "remove some of \"args\"";
    return wanted_.spread ? "write more values into each input, or \"args\" behind it"
                          : "write the further ones into \"args\", or make each input a list with "
                            "\"map\": {\"spread\": true}";
  }

  /// `text` is "argument 2.x: expected a number, got text "a"".
  void refuse_argument(std::string_view text, const json* input, const pointer& at,
                       const std::string& signature) {
    constexpr std::string_view word = "expected ";
    const auto colon = text.find(": ");
    const auto number = static_cast<std::size_t>(std::atoi(text.substr(text.find(' ') + 1).data()));
    const std::size_t from_input = input == nullptr ? 0 : wanted_.spread ? input->size() : 1;
    const bool in_args = number > from_input;
    if (in_args && !args_reported_.insert(number).second)
      return; // the same for each input
    const auto place = in_args          ? pointer("/args") / (number - from_input - 1)
                       : wanted_.spread ? at / (number - 1)
                                        : at;
    auto rest = text.substr(colon + 2);
    const auto got = rest.find(", got ");
    const auto expected =
      rest.starts_with(word) ? rest.substr(word.size(), got - word.size()) : rest;
    const auto value =
      from_.root.contains(place) ? shown(from_.root.at(place)) : std::string("no value");
    found_.add(from_.value_place(place),
               fmt::format("{} is {}, which does not fit {}", path_text(place), value,
                           text.substr(0, colon)),
               std::string(expected), fmt::format("the task is {}", signature));
  }

  void check_reduce(const task_entry* task) {
    if (!wanted_.reduce)
      return;
    const pointer at("/reduce/task");
    const auto* merge = find(at, wanted_.reduce->task);
    const pointer finish_at("/reduce/finish");
    const auto* finish = find(finish_at, wanted_.reduce->finish);
    if (task == nullptr || merge == nullptr)
      return;
    if (*merge->result != *task->result || !takes_list_of(*merge, *task->result))
      add(at, fmt::format("which is {}", signature_text(*merge)),
          fmt::format("a task (list of {0}) -> {0}, for the results of {1}",
                      type_text(*task->result), task->name),
          "choose a task that merges these results");
    if (finish != nullptr
        && (finish->arguments.size() != 1 || *finish->arguments[0] != *task->result))
      add(finish_at, fmt::format("which is {}", signature_text(*finish)),
          fmt::format("a task ({}) -> anything", type_text(*task->result)),
          "choose a task that takes one merged result, or write null");
  }

  const document& from_;
  const job& wanted_;
  problems& found_;
  const bool tasks_are_due_;
  bool libraries_missing_ = false;
  bool count_reported_ = false;
  std::set<std::size_t> args_reported_;
};

} // namespace

void load_libraries(const std::vector<fs::path>& libraries, problems& found) {
  job none;
  none.load = libraries;
  task_checks{document{}, none, found}.load();
}

void check_libraries(const document& from, const job& wanted, problems& found) {
  task_checks{from, wanted, found, false}.load();
}

void check_tasks(const document& from, const job& wanted, problems& found) {
  task_checks{from, wanted, found}.check();
}

} // namespace bulkhead::config
