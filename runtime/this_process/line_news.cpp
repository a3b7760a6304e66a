#include "runtime/this_process/line_news.hpp"

#include "runtime/this_process/callback_thread.hpp"

#include <exception>
#include <string>
#include <utility>

namespace bulkhead::runtime {

void line_news::heard(std::size_t worker, std::string_view line) noexcept {
  const std::lock_guard lock{mutex_};
  if (on_ == nullptr)
    return;
  try {
    if (waiting_ >= most_waiting) {
      ++dropped_;
      return;
    }
    if (dropped_ != 0) {
      hand_over(
        {worker, '(' + std::to_string(dropped_) + " lines dropped: on_output was too slow)"});
      dropped_ = 0;
    }
    hand_over({worker, std::string{line}});
  } catch (const std::exception&) { // no memory, or no thread: news are lost first
    ++dropped_;
  }
}

void line_news::hand_over(output_line line) {
  on_->run([self = shared_from_this(), line = std::move(line)] { self->take_turn(line); });
  ++waiting_;
}

void line_news::take_turn(const output_line& line) {
  {
    const std::lock_guard lock{mutex_};
    --waiting_;
  }
  tell_(line);
}

void line_news::end() noexcept {
  const std::lock_guard lock{mutex_};
  on_ = nullptr;
}

} // namespace bulkhead::runtime
