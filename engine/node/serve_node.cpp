#include "engine/node/node.hpp"

#include <bulkhead/rabbitmq.hpp>

namespace bulkhead {

void serve_node(const node_options& options, int stop) { engine::node{options}.serve(stop); }

} // namespace bulkhead
