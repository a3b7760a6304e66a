#pragma once

#include "engine/courier/packet.hpp"
#include "engine/courier/settings.hpp"

#include <bulkhead/process.hpp>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace bulkhead::engine {

/// Who has lost a connection with others is not back at the same moment: a pause between tries, and
/// the time to log in.
inline constexpr std::chrono::seconds comeback{8};

/// The host's end of a courier: starts the process, starts another one when the connection is lost,
/// with growing pauses, and ends one that is stuck. Not thread-safe; nothing blocks but
/// attempt::launch and end.
class courier {
public:
  using clock = std::chrono::steady_clock;

  explicit courier(courier_settings settings);
  courier(const courier&) = delete;
  courier& operator=(const courier&) = delete;

  /// A process that is due, launched without a lock that guards the courier.
  class attempt {
  public:
    attempt(std::optional<process> former, std::uint32_t tries)
      : former_(std::move(former)), tries_(tries) {}
    /// Buries the former process and starts the next; takes milliseconds, or seconds where the
    /// former one does not die. What goes wrong is told to adopt.
    void launch(const courier_settings& settings);

  private:
    friend courier;
    std::optional<process> former_;
    std::uint32_t tries_; ///< before it, since the last connection
    std::optional<process> made_;
    runtime::unique_fd socket_;
    std::string error_;
  };

  /// Empty where none is due. Each is launched and adopted before the next call.
  std::optional<attempt> begin();
  /// What cannot start is tried again later.
  void adopt(attempt&& a);
  const courier_settings& settings() const noexcept { return settings_; }

  /// To be polled; -1 while there is no process.
  int fd() const noexcept { return stream_ ? stream_->fd() : -1; }
  short events() const noexcept;
  /// When to call again although nothing came.
  clock::time_point next_look() const noexcept;

  /// Connected: what is put now goes out over this connection, `life` says which one it is.
  bool up() const noexcept { return up_; }
  std::uint64_t life() const noexcept { return life_; }
  /// The broker takes nothing: it has an alarm.
  bool blocked() const noexcept { return blocked_; }
  std::size_t pending() const noexcept { return stream_ ? stream_->pending() : 0; }

  /// Nothing while there is no connection: what must arrive is said again later.
  void put(packet_kind kind, std::uint64_t number = 0, std::string_view name = {},
           std::span<const std::byte> body = {});

  /// Reads what is there, calls f(packet) for each packet but those that are the courier's own, and
  /// sends what waits.
  template <class F>
  void serve(F&& f) {
    if (!stream_)
      return;
    const bool there = stream_->fill();
    packet p;
    while (stream_ && next(p))
      if (!own(p))
        f(p);
    if (!there || (stream_ && !stream_->flush()))
      lose(reason_.empty() ? "the process of the connection ended" : reason_);
    else if (stream_ && clock::now() >= stuck_at_)
      lose("the broker has taken nothing for a while");
  }

  /// Gives the connection up; the next one is tried at once.
  void renew(std::string why) {
    lose(std::move(why));
    start_at_ = clock::now();
  }

  /// Why there is no connection, and whether another try cannot help. Empty while there is one.
  const std::string& reason() const noexcept { return reason_; }
  bool is_hopeless() const noexcept { return hopeless_; }

  /// Sends what waits, for so long at most, then ends the process.
  void end(std::chrono::milliseconds patience) noexcept;

private:
  bool next(packet& p);
  bool own(const packet& p);
  void lose(std::string why);

  const courier_settings settings_;
  std::optional<packet_stream> stream_;
  std::optional<process> process_;
  bool up_ = false;
  bool served_ = false; ///< the broker has carried something for us
  bool blocked_ = false;
  bool hopeless_ = false;
  std::uint64_t life_ = 0;
  std::string reason_;
  std::uint32_t tries_ = 0;
  clock::time_point start_at_{};
  clock::time_point stuck_at_ = clock::time_point::max();
};

} // namespace bulkhead::engine
