#include <bulkhead/detail/future_watcher.hpp>
#include <bulkhead/error.hpp>
#include <bulkhead/waitable.hpp>

#include "runtime/outcome/word_watch.hpp"
#include "runtime/system/bell.hpp"
#include "runtime/system/timespec.hpp"
#include "runtime/system/unique_fd.hpp"

#include <poll.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace bulkhead {

namespace {

/// How often objects without a descriptor are looked at where they cannot be slept for: a kernel
/// before 5.16, a filter of system calls, no thread to be had.
constexpr std::chrono::milliseconds between_looks{1};

} // namespace

/// One call of wait(): what it waits for, and what of it is ready.
class waiting_round {
public:
  waiting_round(std::span<const waitable> what, wait_goal goal)
    : what_(what), goal_(goal), ready_(what.size(), false) {
    if (goal.count() > what.size())
      throw config_error("wait: the goal is " + std::to_string(goal.count()) + " of "
                         + std::to_string(what.size())
                         + " objects; wait for as many as there are, or fewer");
    const auto is_future = [](const waitable& w) { return w.future_ != nullptr; };
    if (!std::all_of(what.begin(), what.end(), is_future))
      bell_ = runtime::make_bell("eventfd for wait()");
  }

  wait_result until(detail::time_point deadline) {
    look();
    if (!is_met()) {
      detail::future_watcher watcher{bell_.get()};
      for (std::size_t i = 0; i < what_.size(); ++i)
        if (what_[i].future_)
          watcher.add(what_[i].future_, i);
      while (!is_met() && std::chrono::steady_clock::now() < deadline) {
        sleep(watcher, deadline);
        look();
      }
    }
    return result();
  }

private:
  void look() {
    polled_.clear();
    if (bell_)
      polled_.push_back({bell_.get(), POLLIN, 0});
    for (std::size_t i = 0; i < what_.size(); ++i)
      if (what_[i].fd_ >= 0 && !ready_[i])
        polled_.push_back({what_[i].fd_, POLLIN, 0});
    poll_for(std::chrono::nanoseconds{0});
    auto polled = polled_.begin() + (bell_ ? 1 : 0);
    for (std::size_t i = 0; i < what_.size(); ++i)
      if (!ready_[i])
        ready_[i] = is_ready(what_[i], polled);
  }

  static bool is_ready(const waitable& w, std::vector<pollfd>::iterator& polled) {
    if (w.future_)
      return w.future_->ready();
    if (w.object_ != nullptr)
      return w.look_(w.object_);
    if (polled->revents == POLLNVAL)
      throw config_error("wait: descriptor " + std::to_string(polled->fd)
                         + " is not open any more; keep what is waited for until wait() returns");
    return (polled++)->revents != 0;
  }

  bool is_met() const {
    if (goal_.count() != 0)
      return done() >= goal_.count();
    if (done() == what_.size())
      return true;
    if (goal_.what() == wait_for::any)
      return done() > 0;
    return goal_.what() == wait_for::first_failure && some_failed();
  }

  std::size_t done() const {
    return static_cast<std::size_t>(std::count(ready_.begin(), ready_.end(), true));
  }

  bool some_failed() const {
    for (std::size_t i = 0; i < what_.size(); ++i)
      if (ready_[i] && what_[i].future_ && what_[i].future_->failed())
        return true;
    return false;
  }

  void sleep(detail::future_watcher& watcher, detail::time_point deadline) {
    if (!bell_) { // futures alone
      static_cast<void>(watcher.next(deadline));
      return;
    }
    bool has_to_look = false;
    auto words = words_to_sleep_on(has_to_look);
    if (!words) // one of them is ready
      return;
    if (words->size() == what_.size() - done() && words->size() <= runtime::most_words)
      has_to_look = !runtime::futex_wait_any(*words, deadline);
    else
      has_to_look = !poll_and_watch(std::move(*words), has_to_look, deadline);
    if (has_to_look)
      poll_until(std::min(deadline, std::chrono::steady_clock::now() + between_looks));
    runtime::hush(bell_.get());
  }

  /// Of the objects that have no descriptor and are not ready. Empty: one has become ready.
  std::optional<std::vector<detail::awaited_word>> words_to_sleep_on(bool& has_to_look) {
    std::vector<detail::awaited_word> words;
    for (std::size_t i = 0; i < what_.size(); ++i) {
      if (what_[i].object_ == nullptr || ready_[i])
        continue;
      if (what_[i].sleep_word_ == nullptr) {
        has_to_look = true;
        continue;
      }
      const auto word = what_[i].sleep_word_(what_[i].object_);
      if (word.word == nullptr)
        return std::nullopt;
      words.push_back(word);
    }
    return words;
  }

  /// Descriptors here, words in another thread, which rings the bell. No system call waits for
  /// both. False: nothing was waited for.
  bool poll_and_watch(std::vector<detail::awaited_word> words, bool has_to_look,
                      detail::time_point deadline) {
    if (has_to_look || (!words.empty() && !can_sleep_on_words()))
      return false;
    try {
      const runtime::word_watch watch(std::move(words), bell_.get());
      poll_until(deadline);
      return true;
    } catch (const std::system_error&) { // no thread
      return false;
    }
  }

  // Nothing to wait for, and a time that has passed: refused at once where it is not known.
  static bool can_sleep_on_words() noexcept {
    static const bool can = [] {
      const std::atomic<std::uint32_t> word{0};
      const detail::awaited_word changed{&word, 1};
      return runtime::futex_wait_any({&changed, 1}, detail::time_point{});
    }();
    return can;
  }

  void poll_until(detail::time_point deadline) {
    poll_for(deadline == detail::time_point::max()
               ? std::chrono::nanoseconds::max()
               : std::chrono::nanoseconds{deadline - std::chrono::steady_clock::now()});
  }

  void poll_for(std::chrono::nanoseconds most) {
    if (polled_.empty())
      return;
    const auto limit = runtime::as_timespec(most);
    const bool forever = most == std::chrono::nanoseconds::max();
    if (::ppoll(polled_.data(), polled_.size(), forever ? nullptr : &limit, nullptr) < 0
        && errno != EINTR)
      throw std::system_error(errno, std::generic_category(), "poll in wait()");
  }

  wait_result result() const {
    wait_result found;
    for (std::size_t i = 0; i < what_.size(); ++i)
      (ready_[i] ? found.done : found.not_done).push_back(i);
    return found;
  }

  std::span<const waitable> what_;
  wait_goal goal_;
  std::vector<bool> ready_;    ///< once ready, always: of what others may take back, the first look
  std::vector<pollfd> polled_; ///< the bell, then the descriptors that are not ready
  runtime::unique_fd bell_;    ///< none: futures alone
};

std::size_t wait_goal::checked(std::intmax_t n) {
  if (n < 1)
    throw config_error("wait: the goal is " + std::to_string(n) + " objects; allowed: 1 or more");
  return static_cast<std::size_t>(n);
}

waitable::waitable(int fd, const char* why_none) : fd_(fd) {
  if (fd < 0)
    throw config_error(std::string{"wait: one of the objects has no descriptor to wait for: "}
                       + why_none);
}

namespace detail {

wait_result wait_until(std::span<const waitable> what, wait_goal goal, time_point deadline) {
  return waiting_round{what, goal}.until(deadline);
}

void throw_not_all_completed(std::size_t taken, std::size_t all) {
  throw timeout_error("as_completed: " + std::to_string(all - taken) + " of " + std::to_string(all)
                      + " futures were not ready in time; they go on");
}

} // namespace detail

} // namespace bulkhead
