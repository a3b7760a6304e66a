#pragma once

#include <sys/types.h>

namespace bulkhead::runtime {

/// Keeps fork() away from locks that a copy of the process would need: one that another thread
/// holds at that moment (the dynamic linker's, or that of a table which lives as long as the
/// process) stays locked in the copy for ever. Malloc's and stdio's are libc's own business.
class fork_gate {
public:
  /// For as long as a thread may hold such a lock: no copy is made meanwhile. Waits while one is.
  /// May be taken again by the thread that has one.
  class pass {
  public:
    pass() noexcept;
    ~pass();
    pass(const pass&) = delete;
    pass& operator=(const pass&) = delete;
  };

  /// While it lives, no other thread has a pass. In the copy it is the one that lets go as well.
  class closed {
  public:
    /// Waits for those who have a pass, up to a second.
    closed() noexcept;
    ~closed();
    closed(const closed&) = delete;
    closed& operator=(const closed&) = delete;

    /// False: somebody has a pass still, who waits for the calling thread: this one holds the
    /// dynamic linker's lock (it runs a constructor of a library that is being loaded).
    bool alone() const noexcept { return alone_; }

  private:
    const pid_t process_;
    bool shut_ = false;
    bool alone_ = false;
  };
};

} // namespace bulkhead::runtime
