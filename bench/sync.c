
/*
 * bench-sync DIR COUNT
 *
 * What the disk takes for 600 bytes that are written and synced, COUNT times:
 * "p50 0.123" and "p99 0.456", in ms.
 */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>


#define SYNC_BYTES  600


static double sync_write(int fd);
static int sync_compare(const void *one, const void *two);


int
main(int argc, char **argv)
{
    int       fd;
    char      path[4096];
    double   *times;
    size_t    i, n;

    if (argc != 3 || (n = strtoul(argv[2], NULL, 10)) < 100) {
        fprintf(stderr, "bench-sync DIR COUNT\n");
        return 2;
    }

    snprintf(path, sizeof(path), "%s/bench-sync", argv[1]);

    times = calloc(n, sizeof(double));
    fd = open(path, O_CREAT|O_TRUNC|O_RDWR|O_CLOEXEC, 0600);

    if (times == NULL || fd == -1) {
        perror(path);
        return 1;
    }

    for (i = 0; i < n; i++) {
        times[i] = sync_write(fd);

        if (times[i] < 0) {
            perror(path);
            return 1;
        }
    }

    qsort(times, n, sizeof(double), sync_compare);

    printf("p50 %.3f\np99 %.3f\n", times[n / 2], times[n * 99 / 100]);

    unlink(path);

    return 0;
}


/* ms, -1 = it failed */

static double
sync_write(int fd)
{
    struct timespec  from, to;
    static char      bytes[SYNC_BYTES];

    clock_gettime(CLOCK_MONOTONIC, &from);

    if (write(fd, bytes, sizeof(bytes)) != sizeof(bytes)
        || fdatasync(fd) == -1)
    {
        return -1;
    }

    clock_gettime(CLOCK_MONOTONIC, &to);

    return 1e3 * (double) (to.tv_sec - from.tv_sec)
           + 1e-6 * (double) (to.tv_nsec - from.tv_nsec);
}


static int
sync_compare(const void *one, const void *two)
{
    const double  *a = one, *b = two;

    return (*a > *b) - (*a < *b);
}
