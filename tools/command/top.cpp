#include "tools/command/commands.hpp"
#include "tools/console/write_out.hpp"
#include "tools/look/attached.hpp"
#include "tools/look/live_stack.hpp"
#include "tools/look/top_screen.hpp"

// Else names like "timeout" and "erase" would be macros.
#define NCURSES_NOMACROS 1
#include <curses.h>

#include <unistd.h>

#include <algorithm>
#include <clocale>
#include <cstdint>
#include <exception>

#include <fmt/format.h>

namespace bulkhead::command {

namespace {

constexpr int look_every_ms = 1000;
constexpr int enter_key = '\n';
constexpr int backspace_byte = 127;

/// The terminal, as ncurses takes it over and gives it back.
class terminal {
public:
  terminal() {
    std::setlocale(LC_ALL, "");
    ::initscr();
    ::cbreak();
    ::noecho();
    ::curs_set(0);
    ::keypad(stdscr, TRUE);
    ::timeout(look_every_ms);
  }
  terminal(const terminal&) = delete;
  terminal& operator=(const terminal&) = delete;
  ~terminal() { ::endwin(); }

  void draw(const std::vector<screen_line>& lines) {
    ::erase();
    for (std::size_t i = 0; i < lines.size(); ++i) {
      const auto how = look_of(lines[i].how);
      ::attrset(static_cast<int>(how));
      ::mvaddnstr(static_cast<int>(i), 0, lines[i].text.c_str(), COLS);
    }
    ::attrset(A_NORMAL);
    ::refresh();
  }

private:
  static chtype look_of(screen_line::look how) {
    switch (how) {
    case screen_line::look::head:
    case screen_line::look::bad:
      return A_BOLD;
    case screen_line::look::chosen:
      return A_REVERSE;
    case screen_line::look::dim:
      return A_DIM;
    default:
      return A_NORMAL;
    }
  }
};

/// One program that is looked at, and what the keys do.
class top {
public:
  explicit top(pid_t program) : program_(program) {}

  /// False: the program is gone, and `why` says so.
  bool look(std::string& why) {
    auto now = ask_program(program_, fmt::format("snapshot {0} 0 0 {0}", UINT64_MAX));
    if (now.contains("error") || now["pools"].empty()) {
      why = now.contains("error") ? now["error"].get<std::string>() : "the program has no pool";
      return false;
    }
    pools_ = std::move(now["pools"]);
    return true;
  }

  const json& pool() const { return pools_[pool_ % pools_.size()]; }
  const top_view& view() const noexcept { return view_; }

  /// False: top is to end.
  bool press(int key) {
    if (view_.typing)
      type(key);
    else if (key == 'q')
      return false;
    else if (key != ERR)
      obey(key);
    return true;
  }

private:
  void type(int key) {
    if (key == enter_key)
      view_.typing = false;
    else if ((key == KEY_BACKSPACE || key == backspace_byte) && !view_.filter.empty())
      view_.filter.pop_back();
    else if (key >= ' ' && key < backspace_byte)
      view_.filter += static_cast<char>(key);
    view_.selected = 0;
  }

  void show(top_view::page what) {
    view_.shown = what;
    view_.from_end = view_.from_end && what == top_view::page::text;
    view_.selected = 0;
  }

  void obey(int key) {
    view_.note.clear();
    switch (key) {
    case KEY_DOWN:
    case 'j':
      view_.selected = std::min(view_.selected + 1, rows() == 0 ? 0 : rows() - 1);
      break;
    case KEY_UP:
    case 'k':
      view_.selected -= view_.selected == 0 ? 0 : 1;
      break;
    case 'w':
      return show(top_view::page::workers);
    case 'f':
      return show(top_view::page::failures);
    case 'e':
      return show(top_view::page::events);
    case 'a':
      return show(top_view::page::actors);
    case 'h':
    case '?':
      return show(top_view::page::help);
    case 'o':
      view_.sorted_by = (view_.sorted_by + 1) % top_columns();
      break;
    case '/':
      view_.typing = true;
      view_.filter.clear();
      break;
    case 'p':
      ++pool_;
      break;
    default:
      act(key);
    }
  }

  std::size_t rows() const {
    return view_.shown == top_view::page::failures ? pool()["failures"].size()
                                                   : shown_workers(pool(), view_).size();
  }

  void act(int key) {
    const auto workers = shown_workers(pool(), view_);
    const bool chosen = view_.shown == top_view::page::workers && view_.selected < workers.size();
    const auto pid = chosen ? workers[view_.selected]["pid"].get<pid_t>() : 0;
    if (key == enter_key && view_.shown == top_view::page::failures)
      show_failure();
    else if (key == 's' && pid != 0)
      show_stack_of(pid);
    else if (key == 'l' && pid != 0)
      show_output_of(workers[view_.selected]);
    else if (key == 'x' && pid != 0)
      ask(fmt::format("kill {} {}", key_of(), pid), fmt::format("pid {} was killed", pid));
    else if (key == 'd')
      ask(fmt::format("close {}", key_of()), "the pool takes no more tasks");
    else if (key == '+' || key == '-')
      resize(key == '+' ? 1 : -1);
  }

  std::uint64_t key_of() const { return pool()["key"].get<std::uint64_t>(); }

  void resize(int by) {
    const auto count =
      std::count_if(pool()["workers"].begin(), pool()["workers"].end(), [](const json& w) {
        return w["kind"] == "tasks" && w["state"] != "draining" && w["state"] != "dead";
      });
    ask(fmt::format("resize {} {}", key_of(), std::max<std::int64_t>(1, count + by)),
        fmt::format("{} workers", std::max<std::int64_t>(1, count + by)));
  }

  void ask(const std::string& request, const std::string& done) {
    const auto said = ask_program(program_, request);
    view_.note = said.contains("error") ? said["error"].get<std::string>() : done;
  }

  void show_failure() {
    const auto& list = pool()["failures"];
    if (view_.selected >= list.size())
      return;
    const auto& f = list[list.size() - 1 - view_.selected];
    std::string text;
    for (const auto* part : {"kind", "message", "type", "exit", "backtrace", "last_output"})
      if (const auto value = f[part].get<std::string>(); !value.empty())
        text += std::string(part) + ":\n" + value + "\n\n";
    view_.text = text;
    view_.from_end = false;
    show(top_view::page::text);
  }

  void show_stack_of(pid_t pid) {
    try {
      view_.text = fmt::format("pid {}\n{}", pid, live_stack(pid));
      view_.from_end = false;
      show(top_view::page::text);
    } catch (const std::exception& e) {
      view_.note = e.what();
    }
  }

  // The end of it, which is what fits on the screen.
  void show_output_of(const json& worker) {
    if (worker["kind"] != "tasks") {
      view_.note = "output is kept of workers of tasks alone";
      return;
    }
    const auto said = ask_program(
      program_, fmt::format("output {} {}", key_of(), worker["id"].get<std::uint64_t>()));
    if (said.contains("error")) {
      view_.note = said["error"].get<std::string>();
      return;
    }
    const auto text = said["output"].get<std::string>();
    view_.text = fmt::format("last output of pid {}{}\n{}", worker["pid"].get<int>(),
                             !text.empty()              ? ""
                             : said["kept"].get<bool>() ? ": none"
                                                        : ": not kept; the pool needs "
                                                          "output_mode::prefix or capture",
                             text);
    view_.from_end = true;
    show(top_view::page::text);
  }

  pid_t program_;
  json pools_;
  std::size_t pool_ = 0;
  top_view view_;
};

/// The program to look at, where the call names none and there is only one; else 0, after a list.
pid_t only_program() {
  const auto all = attachable_programs();
  if (all.size() == 1)
    return all.front();
  std::string text = all.empty()
                       ? "no program of yours can be looked at: start one with BULKHEAD_OBSERVE=1\n"
                       : "programs that can be looked at:\n";
  for (const auto pid : all)
    text += fmt::format("  bulkhead top {}    {}\n", pid, name_of_process(pid));
  print(text);
  return 0;
}

} // namespace

int show_top(const call& wanted) {
  const auto program = wanted.pid != 0 ? wanted.pid : only_program();
  if (program == 0)
    return 0;
  top shown(program);
  std::string why;
  if (!shown.look(why)) {
    write_out(STDERR_FILENO, "bulkhead: " + why + '\n');
    return 1;
  }
  if (::isatty(STDIN_FILENO) == 0 || ::isatty(STDOUT_FILENO) == 0) {
    write_out(STDERR_FILENO, "bulkhead: top needs a terminal; for scripts: bulkhead events PID "
                             "--json\n");
    return wrong_call;
  }
  {
    terminal screen;
    do
      screen.draw(top_screen(shown.pool(), shown.view(), static_cast<std::size_t>(COLS),
                             static_cast<std::size_t>(LINES)));
    while (shown.press(::getch()) && shown.look(why));
  }
  if (!why.empty())
    write_out(STDERR_FILENO, "bulkhead: " + why + '\n');
  return 0;
}

} // namespace bulkhead::command
