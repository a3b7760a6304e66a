#pragma once

#include "actors/border/dead_letters.hpp"
#include "actors/border/frames_out.hpp"
#include "actors/border/handle_scan.hpp"
#include "actors/border/link.hpp"
#include "actors/border/node_directory.hpp"
#include "actors/border/open_messages.hpp"
#include "actors/border/process_end.hpp"
#include "actors/caf/codec.hpp"
#include "runtime/system/adaptive_mutex.hpp"

#include <caf/actor_control_block.hpp>
#include <caf/attachable.hpp>
#include <caf/node_id.hpp>

#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <unordered_set>

namespace bulkhead::actors {

/// What crosses between this process's CAF system and the others: its links, the proxies of foreign
/// actors, one each, and the local actors others know. The host has one for each system and a link
/// for each worker; a worker has one with a single link, to the host, which routes. Thread-safe
/// unless noted.
class border final : public frames_out, public std::enable_shared_from_this<border> {
public:
  using clock = std::chrono::steady_clock;

  border(caf::actor_system& system, peer_id self, exec_ctx* loop);
  ~border() override;

  peer_id self() const noexcept { return self_; }
  bool is_host() const noexcept { return self_ == host_peer; }
  caf::actor_system& system() noexcept { return system_; }

  /// Frames for the owner of this border: spawn and stop on workers, hello and spawned on the
  /// host. False: the frame is wrong. To be set before the first link.
  std::function<bool(link&, const frame&)> on_control;

  dead_letters letters;
  /// Of a worker: the host's actor that hears, with each message, how far its sender is with its
  /// numbered ones. To be set before the first link.
  caf::actor_id state_keeper = 0;

  std::shared_ptr<link> connect(peer_id peer, std::shared_ptr<transport> io, link_limits limits);
  /// Null where the peer is unknown or gone.
  std::shared_ptr<link> route(peer_id peer);

  /// An actor of ours that each peer may send to without having been told of it. To be set before
  /// the first link; let go in close().
  void open_to_all(caf::strong_actor_ptr actor);

  /// False: it belongs to a process that is no peer.
  bool key_of(const caf::strong_actor_ptr& actor, actor_key& key);

  /// Names a peer's node. False: the id is another peer's; a process number was reused.
  bool know(peer_id peer, const caf::node_id& node);

  /// Pops and handles what the peer sent. False: it broke the protocol. One caller a link at a
  /// time; it never waits for room meanwhile.
  bool receive(link& from, std::size_t limit, std::size_t& popped);

  /// The process behind the link is gone: fails what it owes, fires monitors and links. Once.
  void fail(link& dead, const process_end& end);

  /// Fails all links; the border outlives this only as long as somebody holds a proxy.
  void close(const caf::error& reason);

  /// The proxy of a foreign actor. `counted`: the peer counts this mention.
  caf::strong_actor_ptr proxy_for(const actor_key& key, bool counted);
  void pin(const actor_key& key, const caf::strong_actor_ptr& proxy) override;

  link::sent send(const actor_key& to, const caf::strong_actor_ptr& from, caf::message_id mid,
                  const caf::message& msg,
                  const std::shared_ptr<request_watch>& watch = nullptr) override;
  void notify(frame_kind kind, const actor_key& to, caf::abstract_actor* from,
              std::uint64_t id) override;
  /// A frame of the owner to one peer; the body was appended after begin_frame.
  void control(link& to, frame_kind kind, frame_header header, byte_buf&& buf);
  /// Names an actor for the link's peer and counts the mention.
  actor_key mention(link& to, const caf::strong_actor_ptr& actor);
  /// Counts the handles inside an encoded body; returns their keys. `msg`: what was encoded, where
  /// there may be handles of ended actors in it, which are not found otherwise.
  std::vector<actor_key> mention_all(link& to, std::span<const std::byte> body,
                                     const caf::message* msg = nullptr);
  /// Takes mentions back that never went out.
  void unmention(link& to, const std::vector<actor_key>& keys);

  /// Decodes a message inside a frame of the peer's; `why` says what is wrong with it.
  bool decode(link& from, std::span<const std::byte> body, caf::message& msg, std::string& why);
  /// A body of the peer's that nobody reads: the handles in it go back.
  void give_back(link& from, std::span<const std::byte> body);

  /// The failure that the actor's process left; a general one while it lives.
  caf::error reason_of(const actor_key& key);

  /// Lets go of proxies that nobody holds and that were not used for `linger`. When to call again;
  /// max() where nothing lingers.
  clock::time_point tidy(clock::time_point now);
  static constexpr std::chrono::milliseconds linger{500};
  static constexpr std::size_t lingering = 4096;

  struct counts {
    std::size_t proxies = 0;
    std::size_t exported = 0;
    std::size_t pending = 0;
    std::size_t observed = 0; ///< foreign actors without a handle here whose end somebody awaits
    std::size_t peers = 0;    ///< known processes, this one included
  };
  counts census();

private:
  struct known_proxy {
    caf::weak_actor_ptr actor;
    const process_proxy* object = nullptr;
    caf::strong_actor_ptr pinned;
  };
  struct recent {
    caf::strong_actor_ptr actor;
    clock::time_point since;
  };

  void proxy_ended(process_proxy& proxy, std::uint64_t counted) override;
  /// Monitors and links that hung on proxies which nobody holds any more; a chain.
  caf::attachable_ptr take_observers(const actor_key& key);
  void end_all_of(peer_id peer, const process_end& end);
  void tell_observers(const actor_key& key, const caf::error& reason);
  caf::strong_actor_ptr find_proxy(const actor_key& key);
  void kill_proxy(const actor_key& key, const caf::error& reason);
  bool find_peer(const caf::node_id& id, peer_id& peer);
  /// Whom the peer may send to under this key; null where nobody.
  caf::strong_actor_ptr receiver(const link& from, const actor_key& key);
  void introduce(link& to, peer_id whom);
  void tell_node(link& to, peer_id whom);
  caf::strong_actor_ptr named(const actor_key& key, const caf::message* msg);
  link::sent answer_instead(const actor_key& to, const caf::strong_actor_ptr& from,
                            caf::message_id mid, caf::error reason,
                            const std::shared_ptr<request_watch>& watch);
  link::sent put_into(const std::shared_ptr<link>& out, outbox::item&& item,
                      pending_table::entry request, const caf::strong_actor_ptr& from,
                      caf::message_id mid);
  /// Tells who sent a message that it did not go out.
  void answer_unsent(link::sent result, const actor_key& to, const caf::strong_actor_ptr& from,
                     caf::message_id mid);
  /// Answers a request, counts a message; for errors that are never silent.
  void refuse(const caf::strong_actor_ptr& from, caf::message_id mid, caf::error reason);

  /// Asks who has requests open in a link whether they still wait for the answers.
  void look_for_abandoned(const std::shared_ptr<link>& out);
  void abandon(link& out, const caf::strong_actor_ptr& requester,
               const std::vector<caf::message_id>& requests);

  bool handle(link& from, const frame& f);
  bool on_hello(link& from, const frame& f);
  bool on_node(const frame& f);
  bool on_message(link& from, const frame& f);
  bool on_monitor(link& from, const frame& f);
  bool on_down(link& from, const frame& f);
  bool on_link(link& from, const frame& f);
  bool on_abandoned(link& from, const frame& f);
  void on_release(link& from, const frame& f);
  /// False: the peer may not name this source.
  bool source_of(link& from, const frame_header& h, caf::strong_actor_ptr& actor);
  using key_set = std::unordered_set<actor_key, actor_key_hash>;
  enum class reading { whole, unreadable, forged };
  /// Decodes what the peer wrote. Its handles count as mentioned whatever comes of it.
  reading read(link& from, std::span<const std::byte> body, caf::message& msg, std::string& why);
  reading read(link& from, std::span<const std::byte> body, caf::error& reason);
  template <class Decode>
  reading read(link& from, std::span<const std::byte> body, Decode decode);
  void count_rest(link& from, std::span<const std::byte> body, key_set& counted);
  /// Null where the body is too short to hold a handle.
  std::shared_ptr<const handle_scan> scan_for(std::span<const std::byte> body);
  caf::strong_actor_ptr resolve(link& from, const caf::node_id& where, caf::actor_id id,
                                key_set& counted);
  void on_undecodable(link& from, const caf::strong_actor_ptr& to,
                      const caf::strong_actor_ptr& source, caf::message_id mid,
                      const std::string& why);
  void hand_over(const caf::strong_actor_ptr& to, caf::strong_actor_ptr source, caf::message_id mid,
                 caf::message&& msg, std::shared_ptr<void> credit, message_marks marks);
  std::uint64_t number_for(const actor_key& to, const caf::strong_actor_ptr& from,
                           const request_watch* watch) const;
  std::shared_ptr<void> note_number(const caf::strong_actor_ptr& to, std::uint64_t number);
  void watch(const caf::strong_actor_ptr& actor, const actor_key& key);
  void unwatch(const caf::abstract_actor* actor);
  void tell_down(const actor_key& key, const caf::error& reason);
  void tell_down(link& to, const actor_key& key, const caf::error& reason);

  caf::actor_system& system_;
  const peer_id self_;
  exec_ctx* const loop_;
  const home_node home_;
  const std::shared_ptr<open_messages> open_ = std::make_shared<open_messages>();

  runtime::adaptive_mutex mutex_; ///< guards what follows; CAF is never called under it
  std::map<peer_id, std::shared_ptr<link>> links_;
  node_directory nodes_;
  caf::strong_actor_ptr open_to_all_;
  std::unordered_map<actor_key, known_proxy, actor_key_hash> proxies_;
  std::unordered_map<actor_key, caf::attachable_ptr, actor_key_hash> observers_; ///< without proxy
  std::unordered_set<const caf::abstract_actor*> watched_; ///< ours whose end is reported to peers
  std::deque<recent> recent_;                              ///< proxies made lately, oldest first
};

} // namespace bulkhead::actors
