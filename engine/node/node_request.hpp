#pragma once

#include <bulkhead/rabbitmq.hpp>

#include <optional>
#include <string>

namespace bulkhead::engine {

/// What `bulkhead node --program` hands to the program, in a variable of its environment: url,
/// queue, TLS files, workers, memory of each, drain, kind of queues.
std::string write_node_request(const node_options& options);

/// Empty where the text is none.
std::optional<node_options> read_node_request(const std::string& text);

} // namespace bulkhead::engine
