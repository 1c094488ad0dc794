/* Clocks that can be set: preloaded into a process, it adds to every reading of a clock the seconds that stand, as 64 bits each,
   in the file `clock_offsets` of the working directory: first those of the wall clock, then those of the one that counts the
   time since boot. Other clocks are left alone. */

#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

struct offsets {
  int64_t wall_s, boot_s;
};

static volatile const struct offsets *offsets;

__attribute__((constructor)) static void map_offsets(void) {
  int fd = open("clock_offsets", O_CREAT | O_RDWR, 0600);
  if (fd < 0 || ftruncate(fd, sizeof *offsets) != 0) _exit(99);
  void *mapped = mmap(NULL, sizeof *offsets, PROT_READ, MAP_SHARED, fd, 0);
  if (mapped == MAP_FAILED) _exit(99);
  offsets = mapped;
  close(fd);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
  int result = syscall(SYS_clock_gettime, clock, now);
  if (result != 0 || !offsets) return result;
  if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE) now->tv_sec += offsets->wall_s;
  if (clock == CLOCK_BOOTTIME) now->tv_sec += offsets->boot_s;
  return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
  struct timespec precise;
  (void)zone;
  int result = clock_gettime(CLOCK_REALTIME, &precise);
  now->tv_sec = precise.tv_sec;
  now->tv_usec = precise.tv_nsec / 1000;
  return result;
}

time_t time(time_t *store) {
  struct timespec precise;
  clock_gettime(CLOCK_REALTIME, &precise);
  if (store) *store = precise.tv_sec;
  return precise.tv_sec;
}
