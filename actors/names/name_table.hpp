#pragma once

#include "actors/border/exports.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace bulkhead::actors {

/// Which names and groups there are, and whose: all processes of one system ask this one table.
/// Invariants: a name belongs to one actor at most; a group exists as long as it has members; an
/// actor that has ended is in neither; no process but the host holds more than its share. A plain
/// value; whoever owns it locks.
class name_table {
public:
  struct limits {
    std::size_t all = 65536; ///< names and memberships together
    /// The same of the actors of one worker process, and how many of them are remembered.
    std::size_t of_process = 4096;
  };
  static constexpr std::size_t longest_name = 255; ///< bytes; of a group too

  enum class outcome : std::uint8_t { done, bad_name, taken, unknown, process_full, full };

  name_table() : name_table(limits{}) {}
  explicit name_table(limits most) : most_(most) {}

  /// Gives the actor a name; it may have others. `taken` where the name is in use, be it by itself.
  outcome add(const std::string& name, const actor_key& who);
  /// `unknown` where the name is not in use, or is not the actor's.
  outcome remove(const std::string& name, const actor_key& who);
  std::optional<actor_key> find(const std::string& name) const;

  /// As in Erlang's pg: who joins twice is twice a member, and leaves twice.
  outcome join(const std::string& group, const actor_key& who);
  outcome leave(const std::string& group, const actor_key& who);
  /// In the order in which they joined.
  std::vector<actor_key> members(const std::string& group) const;

  std::vector<std::string> names() const;  ///< sorted
  std::vector<std::string> groups() const; ///< sorted

  /// Takes the actor out of everything.
  void ended(const actor_key& who);

  /// Whether a name or a group has it.
  bool holds(const actor_key& who) const;
  /// Whether it is remembered: from its first name or group until ended().
  bool knows(const actor_key& who) const { return actors_.contains(who); }
  std::size_t size() const noexcept { return entries_; }
  std::size_t size_of(peer_id process) const;

private:
  struct share {
    std::size_t entries = 0;
    std::size_t actors = 0;
  };
  struct entries_of_actor {
    std::vector<std::string> names;
    std::map<std::string, std::size_t> groups; ///< how often
    std::size_t count = 0;
  };

  outcome room_for(const std::string& text, const actor_key& who) const;
  entries_of_actor& enter(const actor_key& who);
  void count_less(const actor_key& who, entries_of_actor& of, std::size_t n);
  void drop_members(const std::string& group, const actor_key& who, bool all);

  limits most_;
  std::map<std::string, actor_key> names_;
  std::map<std::string, std::vector<actor_key>> groups_;
  std::unordered_map<actor_key, entries_of_actor, actor_key_hash> actors_;
  std::map<peer_id, share> shares_; ///< of processes with actors here
  std::size_t entries_ = 0;
};

} // namespace bulkhead::actors
