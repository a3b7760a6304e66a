// The installed library that puts pools on nodes; nobody listens where it looks.
#include "expect.hpp"

#include <bulkhead/bulkhead.hpp>
#include <bulkhead/rabbitmq.hpp>

#include <string>

int main(int argc, char** argv) {
  bulkhead::init(argc, argv);
  std::string told;
  try {
    bulkhead::pool pool(
      {.workers = 1, .engine = bulkhead::rabbitmq{.url = "amqp://x/", .queue = "q"}});
  } catch (const bulkhead::config_error& e) {
    told = e.what();
  }
  EXPECT(told.find("pool_options::workers") != std::string::npos);
  told.clear();
  try {
    static_cast<void>(
      bulkhead::find_nodes({.url = "amqp://127.0.0.1", .queue = "no good name"}, {}));
  } catch (const bulkhead::config_error& e) {
    told = e.what();
  }
  EXPECT(told.find("rabbitmq::queue") != std::string::npos);
}
