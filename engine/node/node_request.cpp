#include "engine/node/node_request.hpp"

#include <charconv>
#include <sstream>
#include <vector>

// One value a line: none of them may have a line break, and a file whose name has one is not found.
namespace bulkhead::engine {

namespace {

template <class T>
bool read_number(const std::string& text, T& to) {
  const auto* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, to);
  return parsed.ec == std::errc{} && parsed.ptr == end;
}

} // namespace

std::string write_node_request(const node_options& o) {
  std::ostringstream out;
  out << o.engine.url << '\n'
      << o.engine.queue << '\n'
      << o.engine.ca_file << '\n'
      << o.engine.certificate_file << '\n'
      << o.engine.key_file << '\n'
      << o.pool.workers << '\n'
      << o.pool.max_memory_per_worker << '\n'
      << o.drain.count() << '\n'
      << (o.replicated ? 1 : 0) << '\n';
  return out.str();
}

std::optional<node_options> read_node_request(const std::string& text) {
  std::istringstream in{text};
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);)
    lines.push_back(line);
  node_options o;
  std::int64_t drain = 0;
  int replicated = 0;
  if (lines.size() != 9 || !read_number(lines[5], o.pool.workers)
      || !read_number(lines[6], o.pool.max_memory_per_worker) || !read_number(lines[7], drain)
      || !read_number(lines[8], replicated))
    return std::nullopt;
  o.engine.url = lines[0];
  o.engine.queue = lines[1];
  o.engine.ca_file = lines[2];
  o.engine.certificate_file = lines[3];
  o.engine.key_file = lines[4];
  o.drain = std::chrono::nanoseconds{drain};
  o.replicated = replicated != 0;
  return o;
}

} // namespace bulkhead::engine
