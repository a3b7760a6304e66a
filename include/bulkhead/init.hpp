#pragma once

#include <bulkhead/callable.hpp>

namespace bulkhead {

/// The first line of main: `bulkhead::init(argc, argv);`. Forks the forkserver while the process is
/// still small and single-threaded; in processes that the library makes by exec it does not return.
/// What main does after it is not visible in workers. Calling it again does nothing, but in a copy
/// of the process that fork() or daemon() has made: there it makes that copy a host of its own,
/// with a forkserver of its own and without the pools of the original. Call it there before threads
/// are started. Installs nothing and throws nothing; whatever is missing is told by the first pool.
void init(int argc, char** argv);

/// Runs `f` once in the forkserver, so that each worker starts with what it loaded. Call it after
/// init and before the first pool; it runs again in a forkserver that replaces a dead one. Throws
/// pool_broken with what `f` threw, how it died, or the names of the threads it left running: a
/// process with threads cannot be forked safely. Rights, directory, umask and limits that `f`
/// changes are set to the program's again before each worker starts.
void preload(const callable& f);

} // namespace bulkhead
