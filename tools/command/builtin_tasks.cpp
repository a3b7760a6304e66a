#include <bulkhead/task.hpp>

#include <string>

// Tasks that are always there, to try a configuration before its library is written.
namespace {

std::string echo(const std::string& text) { return text; }

} // namespace

BULKHEAD_TASK("bulkhead.echo", echo)
