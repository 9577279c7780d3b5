/*
 * Records: their checksum keeps a fuzzer out, so the input is what stands
 * behind the header, and the header is put in front of it.
 */

#ifndef ASYNC_FUZZ_RECORD_H
#define ASYNC_FUZZ_RECORD_H

#include "fuzz.h"


/* to be freed; in memory of exactly its length */

static inline uint8_t *
fuzz_record(async_record_kind_t kind, const uint8_t *data, size_t size)
{
    uint8_t         *record;
    async_writer_t   w;

    record = fuzz_alloc(ASYNC_RECORD_HEADER + size);

    async_writer_init(&w, record, ASYNC_RECORD_HEADER + size, kind);
    async_write_raw(&w, data, size);
    fuzz_assert(async_writer_end(&w) == ASYNC_RECORD_HEADER + size);

    return record;
}


#endif /* ASYNC_FUZZ_RECORD_H */
