#include <bulkhead/detail/codec_failure.hpp>
#include <bulkhead/detail/type_name.hpp>
#include <bulkhead/error.hpp>

#include <string>

namespace bulkhead::detail {
namespace {

std::string bytes_text(std::uint64_t count) {
  return std::to_string(count) + (count == 1 ? " byte" : " bytes");
}

} // namespace

void throw_too_short(const std::type_info& type, std::size_t needed, std::size_t remaining) {
  throw_undecodable(type, bytes_text(needed) + " needed, " + std::to_string(remaining)
                            + " left in the message");
}

void throw_bad_count(const std::type_info& type, std::uint64_t count, std::size_t least_bytes_each,
                     std::size_t remaining) {
  throw_undecodable(type, std::to_string(count) + " elements of at least "
                            + bytes_text(least_bytes_each) + " claimed, " + bytes_text(remaining)
                            + " left in the message");
}

// Out of line, as all of these: the templates that call them are compiled into each user's program.
void throw_over_budget(const std::type_info& type, std::uint64_t count, std::size_t bytes_each,
                       std::size_t budget) {
  auto text = std::to_string(count) + " elements claimed";
  if (bytes_each == 0)
    text += ", at most " + std::to_string(budget) + " more are allowed in this message";
  else
    text += " of " + bytes_text(bytes_each) + " in memory, at most " + bytes_text(budget)
            + " more are allowed for this message";
  throw_undecodable(type, text);
}

void throw_too_deep(const std::type_info& type, std::size_t limit) {
  throw_undecodable(type, "more than " + std::to_string(limit) + " values inside one another");
}

void throw_no_descriptor(const std::type_info& type) {
  throw_undecodable(type, "the open descriptor that it needs did not come along; a pipe, queue, "
                          "lock or shared memory travels in arguments and results of tasks, in "
                          "arguments of processes and through pipes, not in other bytes");
}

void throw_trailing(std::size_t remaining) {
  throw codec_error("cannot decode: " + bytes_text(remaining) + " left over behind the last value");
}

void throw_undecodable(const std::type_info& type, std::string_view what) {
  throw codec_error("cannot decode " + type_name(type) + ": " + std::string(what));
}

void throw_unencodable(const std::type_info& type, std::string_view what) {
  throw codec_error("cannot encode " + type_name(type) + ": " + std::string(what));
}

} // namespace bulkhead::detail
