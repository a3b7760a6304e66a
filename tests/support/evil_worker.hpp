#pragma once

#include "runtime/channel/channel_layout.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace bulkhead::tests {

/// A worker's view of its own channel, found in /proc/self/maps from inside a task: what hostile
/// code in a worker could reach. Speaks the wire, and may say what it likes.
class evil_worker {
public:
  /// Finds the channel of the worker that this code runs in.
  evil_worker();

  runtime::worker_page& page() const noexcept { return *page_; }
  std::byte* host_page() const noexcept { return host_; }
  const runtime::host_page& host_words() const noexcept {
    return *reinterpret_cast<const runtime::host_page*>(host_);
  }

  /// The item that runs now.
  runtime::position own_position() const noexcept;
  std::uint64_t tail() const noexcept { return page_->ans_tail.load(); }
  std::size_t ring_bytes() const noexcept { return ring_bytes_; }

  /// Writes an answer with this header behind the last one, without publishing it; `payload` bytes
  /// of 0xa5 follow. Returns the bytes it takes.
  std::size_t write(runtime::answer_header h, std::size_t payload = 0) const noexcept;
  /// The bytes at an offset of the answer ring.
  std::byte* at(std::uint64_t offset) const noexcept;
  void publish(std::uint64_t tail) const noexcept;
  /// Both, for a well-formed header; fills size and bytes.
  void say(runtime::answer_kind kind, runtime::position where, std::uint64_t value = 0,
           std::size_t payload = 0) const noexcept;
  /// The same with a payload of its own.
  void say(runtime::answer_kind kind, runtime::position where, std::uint64_t value,
           std::span<const std::byte> payload) const noexcept;

  /// Waits until the host has read all that was published, or for a second.
  void wait_until_read() const noexcept;

  /// The sealed memfds, the host's eventfd and the control socket, by descriptor; -1: none.
  static std::vector<int> memfds();
  static int eventfd();
  static int control_socket();

private:
  std::byte* host_ = nullptr;
  runtime::worker_page* page_ = nullptr;
  std::byte* ring_ = nullptr;
  std::size_t ring_bytes_ = 0;
};

/// Wakes nobody, answers nothing: until the host kills us.
[[noreturn]] void wait_for_the_end() noexcept;

} // namespace bulkhead::tests
