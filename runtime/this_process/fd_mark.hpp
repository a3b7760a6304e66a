#pragma once

#include <sys/stat.h>

namespace bulkhead::runtime {

/// Which open file a descriptor named when it was noted: tells whether the number is still ours
/// after the program may have closed and opened descriptors that it does not own.
class fd_mark {
public:
  fd_mark() noexcept = default;
  explicit fd_mark(int fd) noexcept { known_ = ::fstat(fd, &file_) == 0; }

  /// Whether `fd` is open and names that file. What could not be noted is taken for right.
  bool names(int fd) const noexcept {
    struct stat now {};
    if (!known_)
      return true;
    return ::fstat(fd, &now) == 0 && now.st_dev == file_.st_dev && now.st_ino == file_.st_ino
           && (now.st_mode & S_IFMT) == (file_.st_mode & S_IFMT);
  }

private:
  struct stat file_ {};
  bool known_ = false;
};

} // namespace bulkhead::runtime
