/* The system calls of the journal's ingest and nothing else: what a commit of BATCH records of 4 KiB with undo costs when nobody encodes, indexes or checksums.
 * For each batch: BATCH x pread of old contents from the live image, one pwritev of records and undo, one pwrite of the commit's frame, fdatasync; then BATCH x pwrite to the live image.
 * After each 256 MiB applied: fdatasync of the live image, a frame, fdatasync. Segments of 64 MiB are new files, as in a journal that grows.
 * Usage: ingest-loop LIVE JOURNALDIR RECORDS BATCH SEED    prints: seconds cpu-seconds p99-ms p50-ms */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { BLOCK = 4096, SEGMENT = 64 << 20, FRAME_PER_RECORD = 128, CHECKPOINT = 256 << 20 };

static void die(const char *what) { perror(what); exit(1); }
static double now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec + t.tv_nsec / 1e9; }
static int compare(const void *a, const void *b) { double x = *(const double *)a, y = *(const double *)b; return x < y ? -1 : x > y; }

int main(int argc, char **argv)
{
    if (argc != 6) { fprintf(stderr, "usage: %s LIVE JOURNALDIR RECORDS BATCH SEED\n", argv[0]); return 2; }
    long records = atol(argv[3]), batch = atol(argv[4]);
    unsigned long long x = strtoull(argv[5], NULL, 10) | 1;
    int live = open(argv[1], O_RDWR);
    struct stat s;
    if (live < 0 || fstat(live, &s)) die(argv[1]);
    long blocks = s.st_size / BLOCK;
    char *fresh = malloc(batch * BLOCK), *old = malloc(batch * BLOCK), *frame = malloc(batch * 2 * FRAME_PER_RECORD + BLOCK);
    long *at = malloc(batch * sizeof *at);
    double *latency = malloc((records / batch + 1) * sizeof *latency);
    for (long i = 0; i < batch * BLOCK; i++) fresh[i] = (char)(x = x * 6364136223846793005ULL + 1442695040888963407ULL, x >> 56);
    memset(frame, 7, batch * 2 * FRAME_PER_RECORD + BLOCK);

    int segment = -1, serial = 0;
    long head = 0, tail = 0, applied = 0, commits = 0;
    size_t frameBytes = (batch * 2 * FRAME_PER_RECORD + 511) & ~511L;
    double begun = now();
    for (long done = 0; done < records; done += batch, commits++)
    {
        double t = now();
        for (long i = 0; i < batch; i++)
        {
            x = x * 6364136223846793005ULL + 1442695040888963407ULL;
            at[i] = (long)((x >> 20) % blocks) * BLOCK;
            if (pread(live, old + i * BLOCK, BLOCK, at[i]) != BLOCK) die("pread");
        }
        if (segment < 0 || head + (long)frameBytes > tail - 2 * batch * BLOCK)
        {
            char name[4096];
            if (segment >= 0) close(segment);
            snprintf(name, sizeof name, "%s/loop-%d", argv[2], ++serial);
            segment = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);
            if (segment < 0 || ftruncate(segment, SEGMENT) || pwrite(segment, frame, BLOCK, 0) != BLOCK || fdatasync(segment)) die(name);
            head = BLOCK, tail = SEGMENT;
        }
        struct iovec parts[2] = { { old, batch * BLOCK }, { fresh, batch * BLOCK } };
        tail -= 2 * batch * BLOCK;
        if (pwritev(segment, parts, 2, tail) != 2 * batch * BLOCK) die("pwritev");
        if (pwrite(segment, frame, frameBytes, head) != (ssize_t)frameBytes) die("pwrite");
        head += frameBytes;
        if (fdatasync(segment)) die("fdatasync");
        latency[commits] = now() - t;
        for (long i = 0; i < batch; i++) if (pwrite(live, fresh + i * BLOCK, BLOCK, at[i]) != BLOCK) die("pwrite live");
        applied += batch * BLOCK;
        if (applied < CHECKPOINT) continue;
        applied = 0;
        if (fdatasync(live) || pwrite(segment, frame, 512, head) != 512 || fdatasync(segment)) die("checkpoint");
        head += 512;
    }
    if (fdatasync(live)) die("fdatasync");
    double seconds = now() - begun;
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    qsort(latency, commits, sizeof *latency, compare);
    printf("%.6f %.6f %.4f %.4f\n", seconds, u.ru_utime.tv_sec + u.ru_stime.tv_sec + (u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6,
        latency[commits * 99 / 100] * 1e3, latency[commits / 2] * 1e3);
    return 0;
}
