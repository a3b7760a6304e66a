#pragma once

// Words for clang's thread safety analysis (-Wthread-safety); other compilers see nothing of them.
// https://clang.llvm.org/docs/ThreadSafetyAnalysis.html
#if defined(__clang__)
#  define BULKHEAD_ANNOTATE(what) __attribute__((what))
#else
#  define BULKHEAD_ANNOTATE(what)
#endif

#define BULKHEAD_CAPABILITY(text) BULKHEAD_ANNOTATE(capability(text))
#define BULKHEAD_SCOPED_CAPABILITY BULKHEAD_ANNOTATE(scoped_lockable)
#define BULKHEAD_GUARDED_BY(lock) BULKHEAD_ANNOTATE(guarded_by(lock))
#define BULKHEAD_REQUIRES(lock) BULKHEAD_ANNOTATE(requires_capability(lock))
#define BULKHEAD_EXCLUDES(lock) BULKHEAD_ANNOTATE(locks_excluded(lock))
#define BULKHEAD_ACQUIRE(lock) BULKHEAD_ANNOTATE(acquire_capability(lock))
#define BULKHEAD_RELEASE(lock) BULKHEAD_ANNOTATE(release_capability(lock))
/// Of a function that is the lock's own, or cannot be followed: it says why.
#define BULKHEAD_UNCHECKED BULKHEAD_ANNOTATE(no_thread_safety_analysis)
