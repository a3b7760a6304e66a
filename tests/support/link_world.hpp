#pragma once

#include "actors/border/border.hpp"
#include "actors/caf/failure_error.hpp"
#include "actors/caf/worker_system.hpp"
#include "actors/worker/actor_loop.hpp"
#include "tests/support/caf_spelling.hpp"
#include "tests/support/memory_transport.hpp"

#include <caf/actor.hpp>
#include <caf/actor_cast.hpp>
#include <caf/actor_system.hpp>
#include <caf/send.hpp>

#include <atomic>
#include <future>
#include <map>
#include <thread>
#include <vector>

namespace bulkhead::tests {

using maker = std::function<caf::strong_actor_ptr(caf::actor_system&)>;

/// A "process" of a link_world: a worker system with its loop in a thread of its own.
class fake_worker {
public:
  fake_worker(actors::peer_id peer, std::shared_ptr<memory_transport> io,
              const std::map<std::uint64_t, maker>& makers, actors::engine kind,
              std::uint64_t window)
    : io_(std::move(io)),
      thread_([this, peer, &makers, kind, window] { run(peer, makers, kind, window); }) {}
  ~fake_worker() { kill(); }

  /// As kill -9: nothing more is read, run or sent. The host has to be told by fail().
  void kill() {
    killed_ = true;
    io_->wake();
    if (thread_.joinable())
      thread_.join();
  }

  std::atomic<bool> bad = false;
  std::atomic<std::size_t> proxies = 0;
  std::atomic<std::size_t> exported = 0;

private:
  void run(actors::peer_id peer, const std::map<std::uint64_t, maker>& makers, actors::engine kind,
           std::uint64_t window) {
    using namespace actors;
    worker_system system{kind};
    system.on_wake([this] { io_->wake(); });
    system.start();
    auto edge = std::make_shared<border>(system.system(), peer, system.context());
    std::vector<caf::strong_actor_ptr> roots;
    edge->on_control = [&](link& host, const frame& f) {
      if (f.kind() != frame_kind::spawn)
        return false;
      auto made = makers.at(f.header.dest_actor)(system.system());
      roots.push_back(made);
      const auto key = edge->mention(host, made);
      byte_buf buf;
      begin_frame(buf);
      edge->control(host, frame_kind::spawned,
                    {.source_peer = key.peer, .source_actor = key.id, .id = f.header.id},
                    std::move(buf));
      return true;
    };
    auto host = edge->connect(host_peer, io_, {.window = window});
    edge->know(host_peer, host_node);
    byte_buf buf;
    begin_frame(buf);
    resolve_handle none;
    codec{system.system(), none}.encode(buf, system.system().node());
    edge->control(*host, frame_kind::hello, {.source_peer = peer}, std::move(buf));
    pump(system, *edge, *host);
    edge->close(make_error(caf::exit_reason::kill));
    for (auto& r : roots)
      caf::anon_send_exit(caf::actor_cast<caf::actor>(r), caf::exit_reason::kill);
    roots.clear();
    if (!system.stop(std::chrono::steady_clock::now() + std::chrono::seconds{5}))
      bad = true;
  }

  void pump(actors::worker_system& system, actors::border& edge, actors::link& host) {
    using namespace actors;
    no_wait_scope never;
    while (!killed_) {
      std::size_t popped = 0;
      const bool stuck = !host.flush();
      auto did = system.fire_timers();
      if (!stuck)
        did += system.run_ready(16);
      if (!stuck && !host.backlogged() && !system.ready()) {
        if (!edge.receive(host, 1, popped)) {
          bad = true;
          return;
        }
        did += popped;
      }
      auto due = edge.tidy(std::chrono::steady_clock::now());
      const auto now = edge.census();
      proxies = now.proxies;
      exported = now.exported;
      if (did != 0)
        continue;
      std::chrono::steady_clock::time_point timer;
      if (system.next_deadline(timer))
        due = std::min(due, timer);
      if (stuck || !system.ready())
        io_->wait(stuck ? transport::until::wake : transport::until::piece_or_wake, due);
    }
  }

public:
  static inline caf::node_id host_node;

private:
  std::shared_ptr<memory_transport> io_;
  std::atomic<bool> killed_ = false;
  std::thread thread_;
};

/// A host system, its border and fake workers, joined by memory transports.
class link_world {
public:
  explicit link_world(std::size_t workers, actors::link_limits limits = {},
                      actors::engine kind = actors::engine::in_loop, std::uint64_t window = 256)
    : limits_(limits), kind_(kind), window_(window) {
    actors::load_host(config);
    two_threads(config);
    system = std::make_unique<caf::actor_system>(config);
    fake_worker::host_node = system->node();
    edge = std::make_shared<actors::border>(*system, actors::host_peer, nullptr);
    edge->on_control = [this](actors::link& from, const actors::frame& f) {
      return on_control(from, f);
    };
    for (std::size_t i = 1; i <= workers; ++i)
      ends_.push_back(memory_transport::make());
    workers_.resize(workers);
  }

  ~link_world() {
    for (std::size_t i = 1; i <= workers_.size(); ++i)
      kill(i);
    stop_ = true;
    for (auto& e : ends_)
      e.first->wake();
    for (auto& r : readers_)
      r.join();
    edge->close(make_error(caf::exit_reason::kill));
    edge = nullptr;
    system = nullptr;
  }

  /// What a fake worker can spawn, by number. Before start().
  std::map<std::uint64_t, maker> makers;

  void start() {
    for (std::size_t i = 1; i <= workers_.size(); ++i) {
      links_[i] = edge->connect(i, ends_[i - 1].first, limits_);
      workers_[i - 1] =
        std::make_unique<fake_worker>(i, ends_[i - 1].second, makers, kind_, window_);
      readers_.emplace_back([this, i] { read(i); });
    }
  }

  caf::actor spawn(std::size_t worker, std::uint64_t which) {
    std::future<caf::strong_actor_ptr> result;
    std::uint64_t request = 0;
    {
      std::lock_guard lock{mutex_};
      request = ++requests_;
      result = spawned_[request].get_future();
    }
    actors::byte_buf buf;
    actors::begin_frame(buf);
    edge->control(*links_.at(worker), actors::frame_kind::spawn,
                  {.dest_peer = worker, .dest_actor = which, .id = request}, std::move(buf));
    // dest_actor only tells the maker here; it names no actor.
    if (result.wait_for(std::chrono::seconds{10}) != std::future_status::ready)
      throw std::runtime_error("no answer to spawn");
    return caf::actor_cast<caf::actor>(result.get());
  }

  void kill(std::size_t worker) {
    auto& w = workers_[worker - 1];
    if (!w)
      return;
    w->kill();
    failure f = actors::death_of(static_cast<pid_t>(1000 + worker),
                                 {.signal = 9, .cause = exit_cause::killed}, true);
    edge->fail(*links_.at(worker), actors::to_error(f));
    w->bad = w->bad || false;
    w = nullptr;
  }

  fake_worker& worker(std::size_t i) { return *workers_[i - 1]; }
  actors::link& link(std::size_t i) { return *links_.at(i); }
  memory_transport& worker_port(std::size_t i) { return *ends_[i - 1].second; }

  caf::actor_system_config config;
  std::unique_ptr<caf::actor_system> system;
  std::shared_ptr<actors::border> edge;
  std::atomic<int> bad = 0;

private:
  bool on_control(actors::link& from, const actors::frame& f) {
    if (f.kind() != actors::frame_kind::spawned)
      return f.kind() == actors::frame_kind::hello;
    auto actor = edge->proxy_for({from.peer(), f.header.source_actor}, true);
    std::lock_guard lock{mutex_};
    auto i = spawned_.find(f.header.id);
    if (i == spawned_.end())
      return false;
    i->second.set_value(actor);
    spawned_.erase(i);
    return true;
  }

  void read(std::size_t i) {
    auto& io = *ends_[i - 1].first;
    auto from = links_.at(i);
    while (!stop_) {
      std::size_t popped = 0;
      if (!from->dead() && !edge->receive(*from, 64, popped)) {
        ++bad;
        edge->fail(*from, actors::to_error(actors::death_of(
                            1, {.signal = 9, .cause = exit_cause::bad_message}, true)));
      }
      const auto due = edge->tidy(std::chrono::steady_clock::now());
      if (popped == 0)
        io.wait(actors::transport::until::piece_or_wake,
                std::min(due, std::chrono::steady_clock::now() + std::chrono::milliseconds{50}));
    }
  }

  const actors::link_limits limits_;
  const actors::engine kind_;
  const std::uint64_t window_;
  std::vector<memory_transport::pair> ends_;
  std::map<std::size_t, std::shared_ptr<actors::link>> links_;
  std::vector<std::unique_ptr<fake_worker>> workers_;
  std::vector<std::thread> readers_;
  std::atomic<bool> stop_ = false;
  std::mutex mutex_;
  std::uint64_t requests_ = 0;
  std::map<std::uint64_t, std::promise<caf::strong_actor_ptr>> spawned_;
};

} // namespace bulkhead::tests
