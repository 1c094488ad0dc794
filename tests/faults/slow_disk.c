/* A disk that takes its time: preloaded into a store, it delays every fdatasync(2), and leaves the file `syncing` in the
   working directory for as long as one is under way. */

#include <fcntl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const struct timespec DELAY = {.tv_nsec = 50 * 1000 * 1000};

int fdatasync(int fd) {
  int marker = open("syncing", O_CREAT | O_WRONLY, 0600);
  nanosleep(&DELAY, NULL);
  int result = syscall(SYS_fdatasync, fd);
  unlink("syncing");
  close(marker);
  return result;
}
