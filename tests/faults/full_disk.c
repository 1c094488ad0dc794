/* A disk that can be filled: preloaded into a store, from when there is a file `full` in the working directory it takes half of
   what is written to a file, then nothing more, and does not let go of that half either. */

#include <errno.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int is_full_for(int fd) {
  int before = errno;
  struct stat status;
  int full = fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && access("full", F_OK) == 0;
  errno = before;
  return full;
}

ssize_t write(int fd, const void *data, size_t count) {
  static int has_taken_half;
  if (!is_full_for(fd)) return syscall(SYS_write, fd, data, count);
  if (!has_taken_half++ && count > 1) return syscall(SYS_write, fd, data, count / 2);
  errno = ENOSPC;
  return -1;
}

int ftruncate(int fd, off_t length) {
  if (!is_full_for(fd)) return syscall(SYS_ftruncate, fd, length);
  errno = ENOSPC;
  return -1;
}

int ftruncate64(int fd, off_t length) { return ftruncate(fd, length); }
