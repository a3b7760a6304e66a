#pragma once

#include "actors/caf/version.hpp"

#include <cstdint>
#include <cstring>
#include <optional>
#include <span>

namespace bulkhead::actors {

/// A process that takes part: 0 is the host, every other number one worker process, never reused,
/// so that a handle of a dead worker cannot name its successor.
using peer_id = std::uint64_t;
inline constexpr peer_id host_peer = 0;

enum class frame_kind : std::uint8_t {
  hello = 1, ///< worker -> host, first: its node id (body)
  node,      ///< host -> worker: peer `id` has this node id (body); before its first mention
  message,   ///< `id`: CAF's message id; body: the message
  monitor,   ///< sent for each new proxy: tell when dest_actor ends
  down,      ///< source_actor ended; body: the reason
  link,      ///< source_actor linked to dest_actor
  unlink,
  release,          ///< dest_actor: `id` references of it are gone here
  spawn,            ///< host -> worker: `id`: request; body: see spawn_request.hpp
  spawned,          ///< worker -> host: `id`: request; source_actor, or 0 and a text
  stop,             ///< host -> worker: end your actors, then the process
  release_observed, ///< as release; who gave it back wants to be told of the end nevertheless
  abandoned,        ///< worker -> host: source_actor waits no more for request `id` to dest_peer
};

/// Header of every frame, in host byte order: both ends are one machine and one binary.
struct frame_header {
  std::uint8_t kind = 0;
  std::uint8_t version = 1;
  std::uint16_t reserved = 0;
  std::uint32_t body_bytes = 0;
  std::uint64_t source_peer = 0;
  std::uint64_t source_actor = 0; ///< 0: none
  std::uint64_t dest_peer = 0;
  std::uint64_t dest_actor = 0; ///< 0: the process itself
  std::uint64_t id = 0;
  std::uint64_t deadline = 0; ///< of a request, see message_marks: steady clock, ns; 0: none
  std::uint64_t number = 0;   ///< see message_marks
};
static_assert(sizeof(frame_header) == 64);

/// The largest body a frame may have.
inline constexpr std::size_t max_body_bytes = std::size_t{256} << 20;

struct frame {
  frame_header header;
  std::span<const std::byte> body;

  frame_kind kind() const noexcept { return static_cast<frame_kind>(header.kind); }
};

/// Whether a header from another process can be one: known kind, version, bounded body.
inline bool plausible(const frame_header& h) noexcept {
  return h.version == 1 && h.reserved == 0 && h.kind >= static_cast<int>(frame_kind::hello)
         && h.kind <= static_cast<int>(frame_kind::abandoned) && h.body_bytes <= max_body_bytes;
}

/// Leaves room for the header; the body is appended behind it.
inline void begin_frame(byte_buf& buf) {
  buf.clear();
  buf.resize(sizeof(frame_header));
}

/// Writes the header in front of the body. The body must not exceed max_body_bytes.
inline void finish_frame(byte_buf& buf, frame_kind kind, frame_header header) noexcept {
  header.kind = static_cast<std::uint8_t>(kind);
  header.body_bytes = static_cast<std::uint32_t>(buf.size() - sizeof(frame_header));
  std::memcpy(buf.data(), &header, sizeof header);
}

} // namespace bulkhead::actors
