/* Preloaded into every process of a run: counts the calls that change files below a folder, over
 * all processes together, and kills at the n-th, before it happens.
 *
 * KILL_UNDER   the folder
 * KILL_COUNTER a file of 8 bytes that holds the count
 * KILL_AT      n; 0 counts only
 * KILL_WHOM    "group": the whole process group; "self": the process that made the call
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <unistd.h>

static long *counter;
static long target;
static int group;
static const char *under;

__attribute__((constructor)) static void begin(void) {
    const char *file = getenv("KILL_COUNTER"), *at = getenv("KILL_AT"), *whom = getenv("KILL_WHOM");
    under = getenv("KILL_UNDER");
    if (!file || !at || !under) return;
    int descriptor = open(file, O_RDWR);
    if (descriptor < 0) return;
    void *shared = mmap(NULL, sizeof(long), PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    close(descriptor);
    if (shared == MAP_FAILED) return;
    target = atol(at);
    group = !whom || strcmp(whom, "self") != 0;
    counter = shared;
}

static void point(const char *path) {
    if (!counter || !path || strncmp(path, under, strlen(under)) != 0) return;
    if (__sync_add_and_fetch(counter, 1) != target) return;
    kill(group ? 0 : getpid(), SIGKILL);
    for (;;) pause();
}

static void point_of(int descriptor) {
    char link[64], path[4096];
    if (!counter) return;
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0) return;
    path[length] = 0;
    point(path);
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t write(int fd, const void *data, size_t size) { point_of(fd); return NEXT(write)(fd, data, size); }
ssize_t pwrite(int fd, const void *data, size_t size, off_t at) { point_of(fd); return NEXT(pwrite)(fd, data, size, at); }
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) { point_of(fd); return NEXT(pwrite64)(fd, data, size, at); }
int fsync(int fd) { point_of(fd); return NEXT(fsync)(fd); }
int fdatasync(int fd) { point_of(fd); return NEXT(fdatasync)(fd); }
int ftruncate(int fd, off_t size) { point_of(fd); return NEXT(ftruncate)(fd, size); }
int ftruncate64(int fd, off64_t size) { point_of(fd); return NEXT(ftruncate64)(fd, size); }
int rename(const char *from, const char *to) { point(to); return NEXT(rename)(from, to); }
int unlink(const char *path) { point(path); return NEXT(unlink)(path); }
