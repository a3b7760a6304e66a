// A store in shards whose workers are killed while clients write; then a checker looks for losses.
#include "hash_ring.hpp"
#include "shard.hpp"

#include <bulkhead/init.hpp>
#include <bulkhead/names.hpp>
#include <bulkhead/supervisor.hpp>

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/scoped_actor.hpp>

#include <signal.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <map>
#include <random>
#include <string>
#include <thread>
#include <vector>

using namespace bulkhead;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t shards = 4;
constexpr std::size_t clients = 3;
constexpr std::size_t keys_of_client = 40;

std::string name_of(std::size_t shard) { return "store/" + std::to_string(shard); }

/// The store as its users see it: they know names, and no process.
class store {
public:
  explicit store(caf::actor_system& system) : names_(system), ring_(shards) {}

  /// Until it is acknowledged: a shard whose worker dies is started again.
  void put(caf::scoped_actor& self, const std::string& key, const std::string& value) const {
    for (bool done = false; !done;)
      self->request(shard_of(key), 60s, caf::put_atom_v, key, value)
        .receive([&](bool) { done = true; }, [](const caf::error&) {});
  }

  std::string get(caf::scoped_actor& self, const std::string& key) const {
    std::string value;
    for (bool done = false; !done;)
      self->request(shard_of(key), 60s, caf::get_atom_v, key)
        .receive(
          [&](const std::string& v) {
            value = v;
            done = true;
          },
          [](const caf::error&) {});
    return value;
  }

  caf::actor shard(std::size_t n) const { return names_.whereis(name_of(n)); }

private:
  caf::actor shard_of(const std::string& key) const { return shard(ring_.shard_of(key)); }

  const names names_;
  const hash_ring ring_;
};

/// Writes ever higher numbers under its own keys, and remembers what was acknowledged.
class client {
public:
  client(std::size_t number, std::size_t writes) : number_(number), writes_(writes) {}

  void run(caf::actor_system& system, const store& to, std::atomic<std::size_t>& total) {
    caf::scoped_actor self{system};
    for (std::size_t i = 1; i <= writes_; ++i) {
      const auto key =
        "client" + std::to_string(number_) + "/key" + std::to_string(i % keys_of_client);
      to.put(self, key, std::to_string(i));
      acknowledged_[key] = std::to_string(i);
      ++total;
    }
  }
  const std::map<std::string, std::string>& acknowledged() const { return acknowledged_; }

private:
  const std::size_t number_;
  const std::size_t writes_;
  std::map<std::string, std::string> acknowledged_;
};

/// From outside, as the system's out-of-memory killer would. Whether there was somebody to kill.
bool kill_worker_of(caf::scoped_actor& self, const caf::actor& whom) {
  std::int32_t pid = 0;
  self->request(whom, 60s, caf::get_atom_v)
    .receive([&](std::int32_t p) { pid = p; }, [](const caf::error&) {});
  return pid > 0 && ::kill(pid, SIGKILL) == 0;
}

std::size_t lost(caf::scoped_actor& self, const store& from, const std::vector<client>& all) {
  std::size_t n = 0;
  for (const auto& c : all)
    for (const auto& [key, value] : c.acknowledged())
      n += from.get(self, key) != value;
  return n;
}

std::vector<child_spec> shard_specs() {
  std::vector<child_spec> all;
  for (std::size_t i = 0; i < shards; ++i)
    all.push_back({.id = std::to_string(i),
                   .start = child(placement::own_process, serve_shard, std::string{}),
                   .name = name_of(i),
                   .state_limit = std::size_t{1} << 20});
  return all;
}

} // namespace

// key_value [WRITES [KILLS]]: of each client; of workers.
int main(int argc, char** argv) {
  bulkhead::init(argc, argv);
  const std::size_t writes = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 400;
  const std::size_t kills = argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 8;

  caf::actor_system_config config;
  bulkhead::configure(config);
  caf::actor_system system{config};
  pool workers{system, {.workers = 1}};
  supervisor keeper{workers, {.max_restarts = kills + 1, .name = "store"}, shard_specs()};
  const store kept{system};

  std::vector<client> all;
  for (std::size_t i = 0; i < clients; ++i)
    all.emplace_back(i, writes);
  std::atomic<std::size_t> total = 0;
  std::vector<std::thread> threads;
  for (auto& c : all)
    threads.emplace_back([&] { c.run(system, kept, total); });

  // Spread over the whole of the writing.
  caf::scoped_actor self{system};
  std::minstd_rand dice{1};
  std::size_t killed = 0;
  for (std::size_t i = 0; i < kills; ++i) {
    while (total < clients * writes * i / kills)
      std::this_thread::sleep_for(1ms);
    while (!kill_worker_of(self, kept.shard(dice() % shards))) {
    }
    ++killed;
  }
  for (auto& t : threads)
    t.join();

  const auto losses = lost(self, kept, all);
  std::size_t incarnations = 0;
  for (const auto& c : keeper.which_children())
    incarnations += c.incarnations;
  std::cout << total << " writes were acknowledged, " << killed << " workers were killed\n"
            << "acknowledged writes that are lost: " << losses << '\n'
            << "each of the dead was started again: " << std::boolalpha
            << (incarnations >= shards + killed) << '\n';
}
