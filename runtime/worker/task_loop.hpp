#pragma once

#include "runtime/channel/channel_layout.hpp"
#include "runtime/channel/worker_port.hpp"
#include "runtime/crash/throw_place.hpp"
#include "runtime/outcome/failure_wire.hpp"
#include "runtime/system/segment.hpp"
#include "runtime/system/spin.hpp"
#include "runtime/worker/item_pace.hpp"
#include "runtime/worker/open_column.hpp"
#include "runtime/worker/own_figures.hpp"
#include "runtime/worker/task_context.hpp"
#include "runtime/worker/worker_config.hpp"

#include <bulkhead/detail/buffer.hpp>
#include <bulkhead/detail/item_run.hpp>
#include <bulkhead/failure.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cxxabi.h>
#include <map>
#include <optional>
#include <span>

namespace bulkhead::runtime {

/// Runs a worker: initializer, then frame after frame, inline on the calling thread, until the host
/// asks it to end. Follows docs/wire_format.md. The host is trusted.
class task_loop {
public:
  task_loop(const worker_config& config, const worker_port& end, bool is_thread);

  /// Returns the exit code.
  int run();

private:
  struct running_frame {
    frame_header header;
    std::span<const std::byte> callable;
    std::span<const std::byte> rest; ///< arguments of the items not yet run
    detail::descriptor_list descriptors;
    std::string refusal; ///< why the body cannot be read; empty: it can
  };

  bool initialize();
  bool wait_for_frame();
  void run_frame();
  running_frame open_frame();
  static std::span<const std::byte> next_arguments(running_frame& frame);
  std::span<const std::byte> segment_body(const frame_header& h);
  bool claim(position p);
  void give_back(position p);
  void run_item(running_frame& frame, position p, std::uint32_t item);
  bool can_start(const running_frame& frame, position p);
  std::optional<failure> run_call_of(running_frame& frame, std::span<const std::byte> args);
  /// What the user's code threw; then the context of its item is over.
  template <class Call>
  std::optional<failure> failure_of_call(Call&& call);
  void run_in_column(running_frame& frame, position p, std::uint32_t item);
  bool has_loop(const frame_header& h) const noexcept;
  std::size_t most_in_column() const noexcept;
  std::uint32_t run_in_loop(running_frame& frame, std::uint32_t item);
  detail::item_run make_run(const running_frame& frame, std::uint32_t item);
  std::optional<failure> run_loop_of(const running_frame& frame, detail::item_run& run);
  void answer_alone(position p, const std::optional<failure>& f);
  bool join_column(const frame_header& h, position p);
  void begin_column(const frame_header& h, position p, std::size_t need);
  void publish_column();
  void publish_written(std::uint32_t bytes);
  bool expired(const frame_header& h);
  void call_stub(running_frame& frame, std::span<const std::byte> args);
  void tell_growth(position p, const growth_figures& before);
  void answer_result(position p, std::uint64_t ran_ns);
  bool send_descriptors(position p, std::uint64_t ran_ns);
  int hand_over(const detail::descriptor_list& list);
  void answer_failure(position p, const failure& f, std::uint64_t ran_ns);
  void tell_spans();
  void retire_if_grown();
  void skip_to(std::uint64_t sequence);

  void publish(answer_kind kind, position where, std::uint64_t value,
               std::span<const std::byte> payload, std::uint16_t flags = 0);
  std::byte* answers_end() const noexcept {
    return end_.answers + (written_ & (end_.ring_bytes - 1));
  }
  std::size_t wait_for_answer_room(std::size_t bytes);
  template <class Ready>
  bool wait(Ready&& ready, bool until_stop);
  static std::int64_t now_ns() noexcept {
    return std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count();
  }

  worker_config config_;
  worker_port end_;
  bool is_thread_;
  task_context context_;
  spinner spinner_;
  std::uint64_t next_;        // sequence number of the next frame
  std::uint64_t read_ = 0;    // bytes of requests read
  std::uint64_t written_ = 0; // bytes of answers published
  std::uint32_t sleep_epoch_ = 0;
  std::uint32_t rung_epoch_ = 0;
  std::uint32_t parcels_ = 0;         // sent with results
  std::uint32_t sampled_ = 0;         // frames since running time was last measured
  std::uint64_t inherited_bytes_ = 0; ///< resident before the initializer: shared with others
  bool retired_ = false;              // grown too large: gives back all that comes
  bool slow_ = true;                  // the last measured item was slow: measure each
  detail::buffer result_;
  open_column column_; // of the running frame
  item_pace pace_;     // in frames with columns
  std::map<std::uint32_t, segment> segments_;
};

template <class Call>
std::optional<failure> task_loop::failure_of_call(Call&& call) {
  std::optional<failure> f;
  try {
    noting_throw(call);
  } catch (abi::__forced_unwind&) {
    throw; // the thread is being cancelled; swallowing it would abort
  } catch (...) {
    f = describe_current_exception();
    f->thrown_at = noted_throw();
  }
  context_.end();
  return f;
}

} // namespace bulkhead::runtime
