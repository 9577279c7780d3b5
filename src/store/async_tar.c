#include <stdio.h>
#include <string.h>

#include "async_tar.h"


/*   offset size                 offset size
 *        0  100  name              148    8  checksum
 *      100    8  mode              156    1  type
 *      108    8  uid               157  100  name of a link
 *      116    8  gid               257    8  "ustar", NUL, "00"
 *      124   12  size              265   64  user, group by name
 *      136   12  mtime
 */

#define ASYNC_TAR_NAME    0
#define ASYNC_TAR_MODE    100
#define ASYNC_TAR_UID     108
#define ASYNC_TAR_GID     116
#define ASYNC_TAR_SIZE    124
#define ASYNC_TAR_MTIME   136
#define ASYNC_TAR_SUM     148
#define ASYNC_TAR_TYPE    156
#define ASYNC_TAR_MAGIC   257


static void async_tar_put(uint8_t *p, unsigned len, uint64_t n);
static bool async_tar_get(const uint8_t *p, unsigned len, uint64_t *n);
static unsigned async_tar_sum(const uint8_t *block);


void
async_tar_encode(const async_tar_t *tar, uint8_t block[ASYNC_TAR_BLOCK])
{
    size_t  len;

    memset(block, 0, ASYNC_TAR_BLOCK);

    len = strlen(tar->name);
    len = len < 100 ? len : 100;

    memcpy(block + ASYNC_TAR_NAME, tar->name, len);
    memcpy(block + ASYNC_TAR_MAGIC, "ustar\00000", 8);

    block[ASYNC_TAR_TYPE] = len > 0 && tar->name[len - 1] == '/' ? '5' : '0';

    async_tar_put(block + ASYNC_TAR_MODE, 8, tar->mode);
    async_tar_put(block + ASYNC_TAR_UID, 8, tar->uid);
    async_tar_put(block + ASYNC_TAR_GID, 8, tar->gid);
    async_tar_put(block + ASYNC_TAR_SIZE, 12, tar->size);
    async_tar_put(block + ASYNC_TAR_MTIME, 12,
                  tar->mtime > 0 ? (uint64_t) tar->mtime : 0);

    /* six digits, a NUL, and a blank that is there already */

    async_tar_put(block + ASYNC_TAR_SUM, 7, async_tar_sum(block));
    block[ASYNC_TAR_SUM + 7] = ' ';
}


/* octal digits and a NUL */

static void
async_tar_put(uint8_t *p, unsigned len, uint64_t n)
{
    unsigned  i;

    if (n >> (3 * (len - 1)) == 0) {

        p[len - 1] = '\0';

        for (i = len - 1; i > 0; i--, n >>= 3) {
            p[i - 1] = (uint8_t) ('0' + (n & 7));
        }

        return;
    }

    for (i = len; i > 1; i--, n >>= 8) {
        p[i - 1] = (uint8_t) n;
    }

    p[0] = 0x80;
}


bool
async_tar_decode(async_tar_t *tar, const uint8_t block[ASYNC_TAR_BLOCK])
{
    uint64_t  sum;

    memset(tar, 0, sizeof(async_tar_t));
    memcpy(tar->name, block + ASYNC_TAR_NAME, 100);

    return memcmp(block + ASYNC_TAR_MAGIC, "ustar\00000", 8) == 0
           && async_tar_get(block + ASYNC_TAR_SUM, 7, &sum)
           && sum == async_tar_sum(block)
           && async_tar_get(block + ASYNC_TAR_SIZE, 12, &tar->size);
}


static bool
async_tar_get(const uint8_t *p, unsigned len, uint64_t *n)
{
    unsigned  i;

    *n = 0;

    if (p[0] == 0x80) {
        for (i = 1; i < len; i++) {
            *n = *n << 8 | p[i];
        }

        return true;
    }

    for (i = 0; i < len && p[i] != '\0'; i++) {

        if (p[i] < '0' || p[i] > '7') {
            return false;
        }

        *n = *n << 3 | (uint64_t) (p[i] - '0');
    }

    return i > 0;
}


/* of all bytes, the checksum's own counted as blanks */

static unsigned
async_tar_sum(const uint8_t *block)
{
    unsigned  i, sum;

    for (i = 0, sum = 0; i < ASYNC_TAR_BLOCK; i++) {
        sum += i >= ASYNC_TAR_SUM && i < ASYNC_TAR_TYPE ? ' ' : block[i];
    }

    return sum;
}


unsigned
async_tar_fill(uint64_t size)
{
    return (unsigned) (-size % ASYNC_TAR_BLOCK);
}
