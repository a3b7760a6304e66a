#pragma once

#include <sys/syscall.h>

#include <cstdint>

namespace bulkhead::runtime::sandbox {

/// What a call wants of the place that it names.
enum class place_use : std::uint8_t {
  look,    ///< whether and what it is; Landlock has no say in it
  open,    ///< its flags decide which of the others it is
  read,    ///< its content
  write,   ///< the file itself
  make,    ///< to make, remove or rename it: its folder is written
  execute, ///< as a program
  address, ///< not a file: to connect or send to
};

/// One argument by which a system call names a file or an address.
struct named_place {
  static constexpr int none = -1;

  long call;
  unsigned argument; ///< a path, or the address
  int folder;        ///< the argument that a relative path begins at; none: the working directory
  place_use use;
  int more = none; ///< open: the argument with flags; address: with its length
};

/// In a signal handler, too: a plain table.
inline constexpr named_place named_places[] = {
#ifdef SYS_open
  {SYS_open, 0, -1, place_use::open, 1},       {SYS_creat, 0, -1, place_use::make},
  {SYS_stat, 0, -1, place_use::look},          {SYS_lstat, 0, -1, place_use::look},
  {SYS_access, 0, -1, place_use::look},        {SYS_readlink, 0, -1, place_use::look},
  {SYS_unlink, 0, -1, place_use::make},        {SYS_mkdir, 0, -1, place_use::make},
  {SYS_rmdir, 0, -1, place_use::make},         {SYS_rename, 0, -1, place_use::make},
  {SYS_rename, 1, -1, place_use::make},        {SYS_link, 1, -1, place_use::make},
  {SYS_symlink, 1, -1, place_use::make},       {SYS_mknod, 0, -1, place_use::make},
  {SYS_chmod, 0, -1, place_use::look},         {SYS_chown, 0, -1, place_use::look},
#endif
  {SYS_openat, 1, 0, place_use::open, 2},      {SYS_openat2, 1, 0, place_use::open},
  {SYS_newfstatat, 1, 0, place_use::look},     {SYS_statx, 1, 0, place_use::look},
  {SYS_faccessat, 1, 0, place_use::look},      {SYS_faccessat2, 1, 0, place_use::look},
  {SYS_readlinkat, 1, 0, place_use::look},     {SYS_statfs, 0, -1, place_use::look},
  {SYS_chdir, 0, -1, place_use::look},         {SYS_fchmodat, 1, 0, place_use::look},
  {SYS_fchownat, 1, 0, place_use::look},       {SYS_unlinkat, 1, 0, place_use::make},
  {SYS_mkdirat, 1, 0, place_use::make},
#ifdef SYS_renameat
  {SYS_renameat, 1, 0, place_use::make},       {SYS_renameat, 3, 2, place_use::make},
#endif
  {SYS_renameat2, 1, 0, place_use::make},      {SYS_renameat2, 3, 2, place_use::make},
  {SYS_linkat, 3, 2, place_use::make},         {SYS_symlinkat, 2, 1, place_use::make},
  {SYS_mknodat, 1, 0, place_use::make},        {SYS_truncate, 0, -1, place_use::write},
  {SYS_execve, 0, -1, place_use::execute},     {SYS_execveat, 1, 0, place_use::execute},
  {SYS_connect, 1, -1, place_use::address, 2}, {SYS_bind, 1, -1, place_use::address, 2},
  {SYS_sendto, 4, -1, place_use::address, 5},
};

} // namespace bulkhead::runtime::sandbox
