#pragma once

#include <bulkhead/detail/awaited_word.hpp>
#include <bulkhead/detail/buffer.hpp>
#include <bulkhead/detail/shared_object.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace bulkhead::detail {

struct queue_area;

/// A queue of byte strings in shared memory: bulkhead::queue without the types.
class queue_base : public shared_object {
public:
  /// The memory of the items; travels beside the object.
  const shared_descriptor& items() const noexcept;

  std::size_t size() const;
  bool get_ready() const; ///< an item is there, or it is closed
  /// For wait(): the word to sleep on until get_ready(); null where it is.
  awaited_word sleep_word() const;
  void close();
  void task_done();
  bool join(time_point deadline) const;
  std::size_t capacity() const noexcept;

protected:
  explicit queue_base(std::size_t capacity);
  queue_base(arrived_t arrived, shared_segment segment, shared_descriptor items);

  /// False: no room until the deadline. Throws queue_closed, too_large.
  bool put(const buffer& item, time_point deadline);
  enum class got : std::uint8_t { item, none, closed };
  /// `none`: nothing until the deadline. `closed`: nothing is left and nothing more comes.
  got get(buffer& item, time_point deadline);

private:
  std::shared_ptr<queue_area> area_; ///< this process's mapping of the items
};

[[noreturn]] void throw_queue_closed();
[[noreturn]] void throw_not_in_queue(const std::type_info& type);

} // namespace bulkhead::detail
