#pragma once

#include <bulkhead/detail/descriptor_list.hpp>

#include <cstddef>

namespace bulkhead::runtime {

/// A memfd of so many bytes, all of them there, close-on-exec, sealed against shrinking; against
/// growing only if asked. Throws too_large where the system has no such memory, std::system_error
/// for other refusals.
detail::shared_descriptor make_memfd(const char* name, std::size_t bytes, bool may_grow);

/// Makes the bytes [from, from + bytes) of a file exist. Errors as above.
void allocate(int fd, std::size_t from, std::size_t bytes);

} // namespace bulkhead::runtime
