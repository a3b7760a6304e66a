#pragma once

#include "engine/courier/courier.hpp"
#include "engine/node/result_box.hpp"
#include "engine/node/work_table.hpp"

#include <bulkhead/pool.hpp>
#include <bulkhead/rabbitmq.hpp>

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace bulkhead::engine {

/// A node: takes batches, asks their submitters which tasks it may run, runs those in an ordinary
/// pool and answers. The other half of the protocol in docs/cluster.md. One thread.
class node {
public:
  explicit node(const node_options& options);

  /// See bulkhead::serve_node.
  void serve(int stop);

private:
  // node.cpp: the loop.
  bool turn(int stop);
  void wait(int stop);
  void connect();
  void on_packet(const packet& p);
  void on_connected();
  void on_disconnected();
  void look_at_stop(int stop);
  void drain();
  bool is_done() const;
  void kill_all();
  void say(const std::string& text) const;
  time_point next_look() const;

  // node_tasks.cpp: batches, questions and grants.
  void take_batch(const packet& p);
  void drop_batch(const std::shared_ptr<held_batch>& batch, packet_kind how);
  void ask();
  void ask_again(time_point now);
  void take_grant(std::span<const std::byte> message);
  void run(const std::string& pool, held_piece& p, const granted_range& granted);
  void take_stop(std::span<const std::byte> message);
  void take_returned(const packet& p);
  void balance();
  void give_back_held(time_point before);
  std::size_t target() const;

  // node_letters.cpp: outcomes, and who is there.
  void send_outcomes();
  std::int64_t measure(std::size_t ended);
  void send_letter(const std::string& pool, patron& to, std::vector<outcome_run> runs);
  void take_settled(std::span<const std::byte> message);
  void send_again(time_point now, bool all);
  void look_at_patrons(time_point now);
  void forget(const std::string& pool);
  void take_sign(std::span<const std::byte> message, message_kind kind);
  void answer_who(const std::string& to);

  void publish(const std::string& queue, const packed_bytes& message) {
    courier_.put(packet_kind::publish, 0, queue, message);
  }

  const node_options options_;
  const std::string name_;
  pool pool_;
  courier courier_;
  result_box box_;
  std::map<std::string, patron> patrons_;
  std::deque<std::pair<std::string, std::uint64_t>> held_; ///< pieces that nobody was asked for
  std::size_t outstanding_ = 0;                            ///< tasks that were asked for, or run
  std::size_t running_ = 0;                                ///< tasks that the pool has
  time_point measured_{};        ///< when the pool began to have some, or outcomes came last
  std::size_t letter_bytes_ = 0; ///< in letters without an answer
  std::int64_t mean_ns_ = 0;     ///< of a task; 0: unknown
  std::size_t consuming_ = 0;    ///< batches at once; 0: none are taken
  bool was_up_ = false;
  bool draining_ = false;
  bool killed_ = false;
  bool stop_ended_ = false;
  time_point down_since_{};
  time_point drain_until_ = time_point::max();
  time_point next_check_{};
};

} // namespace bulkhead::engine
