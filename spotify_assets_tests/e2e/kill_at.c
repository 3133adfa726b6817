/* Preloaded into every process of a run: counts the calls that change files below a folder, over
 * all processes together, and kills at the n-th of all or of one kind, before it happens.
 *
 * KILL_UNDER   the folder
 * KILL_COUNTS  a file of six numbers of 8 bytes: how many changes there were, how many of them
 *              write, sync, rename and unlink, and the kind (1 to 4) of the change that killed
 * KILL_KIND    what n counts: "change", "write", "sync", "rename" or "unlink"
 * KILL_AT      n; 0 counts only
 * KILL_WHOM    "group": the whole process group; "self": the process that made the call
 *
 * Memory that is mapped is not seen: of SQLite's that is the index of a write-ahead log, which
 * it makes anew. Nor are the writes of C's own buffered files, which nothing here uses.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum { CHANGE, WRITE, SYNC, RENAME, UNLINK, HIT, NUMBERS };
static const char *const kinds[] = {"change", "write", "sync", "rename", "unlink"};

static long *numbers;
static long target;
static int counted;
static int group;
static const char *under;

__attribute__((constructor)) static void begin(void) {
    const char *file = getenv("KILL_COUNTS"), *at = getenv("KILL_AT");
    const char *kind = getenv("KILL_KIND"), *whom = getenv("KILL_WHOM");
    under = getenv("KILL_UNDER");
    if (!file || !at || !kind || !whom || !under) return;
    while (strcmp(kind, kinds[counted]) != 0)
        if (++counted == HIT) abort();
    int descriptor = open(file, O_RDWR);
    if (descriptor < 0) abort();
    size_t size = NUMBERS * sizeof(long);
    void *shared = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    close(descriptor);
    if (shared == MAP_FAILED) abort();
    target = atol(at);
    group = strcmp(whom, "group") == 0;
    numbers = shared;
}

static void point(int kind, const char *path) {
    size_t length = strlen(under);
    if (strncmp(path, under, length) != 0 || (path[length] != '/' && path[length] != 0)) return;
    long changes = __sync_add_and_fetch(&numbers[CHANGE], 1);
    long of_kind = __sync_add_and_fetch(&numbers[kind], 1);
    if ((counted == CHANGE && changes == target) || (counted == kind && of_kind == target)) {
        numbers[HIT] = kind;
        kill(group ? 0 : getpid(), SIGKILL);
        for (;;) pause();
    }
}

static int name_of(int descriptor, char *path) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    path[length > 0 ? length : 0] = 0;
    return length > 0;
}

static void point_of(int kind, int descriptor) {
    char path[PATH_MAX];
    if (numbers && name_of(descriptor, path)) point(kind, path);
}

/* A path as a call got it: absolute, or relative to a folder that is open or the current one. */
static void point_at(int kind, int folder, const char *given) {
    char path[2 * PATH_MAX + 2] = "";
    if (!numbers || !given) return;
    if (given[0] != '/') {
        int known = folder == AT_FDCWD ? getcwd(path, PATH_MAX) != NULL : name_of(folder, path);
        if (!known) return;
        strcat(path, "/");
    }
    strncat(path, given, PATH_MAX);
    point(kind, path);
}

#define BEFORE(type, name, parameters, arguments, change)                 \
    type name parameters {                                                \
        static __typeof__(&name) next;                                    \
        if (!next) next = (__typeof__(&name))dlsym(RTLD_NEXT, #name);     \
        change;                                                           \
        return next arguments;                                            \
    }

BEFORE(ssize_t, write, (int fd, const void *from, size_t size), (fd, from, size), point_of(WRITE, fd))
BEFORE(ssize_t, pwrite, (int fd, const void *from, size_t size, off_t at), (fd, from, size, at), point_of(WRITE, fd))
BEFORE(ssize_t, pwrite64, (int fd, const void *from, size_t size, off64_t at), (fd, from, size, at), point_of(WRITE, fd))
BEFORE(ssize_t, writev, (int fd, const struct iovec *from, int count), (fd, from, count), point_of(WRITE, fd))
BEFORE(ssize_t, sendfile, (int fd, int from, off_t *at, size_t size), (fd, from, at, size), point_of(WRITE, fd))
BEFORE(ssize_t, sendfile64, (int fd, int from, off64_t *at, size_t size), (fd, from, at, size), point_of(WRITE, fd))
BEFORE(ssize_t, copy_file_range, (int from, off64_t *start, int fd, off64_t *at, size_t size, unsigned flags), (from, start, fd, at, size, flags), point_of(WRITE, fd))
BEFORE(int, ftruncate, (int fd, off_t size), (fd, size), point_of(WRITE, fd))
BEFORE(int, ftruncate64, (int fd, off64_t size), (fd, size), point_of(WRITE, fd))
BEFORE(int, truncate, (const char *path, off_t size), (path, size), point_at(WRITE, AT_FDCWD, path))
BEFORE(int, truncate64, (const char *path, off64_t size), (path, size), point_at(WRITE, AT_FDCWD, path))
BEFORE(int, fsync, (int fd), (fd), point_of(SYNC, fd))
BEFORE(int, fdatasync, (int fd), (fd), point_of(SYNC, fd))
BEFORE(int, rename, (const char *from, const char *to), (from, to), point_at(RENAME, AT_FDCWD, to))
BEFORE(int, renameat, (int a, const char *from, int b, const char *to), (a, from, b, to), point_at(RENAME, b, to))
BEFORE(int, renameat2, (int a, const char *from, int b, const char *to, unsigned flags), (a, from, b, to, flags), point_at(RENAME, b, to))
BEFORE(int, unlink, (const char *path), (path), point_at(UNLINK, AT_FDCWD, path))
BEFORE(int, unlinkat, (int folder, const char *path, int flags), (folder, path, flags), point_at(UNLINK, folder, path))
BEFORE(int, remove, (const char *path), (path), point_at(UNLINK, AT_FDCWD, path))
