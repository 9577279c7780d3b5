/*
 * Records: their checksum keeps a fuzzer out, so the input is what stands
 * behind the header, and the header is put in front of it.  And what is made
 * of them for clients.
 */

#ifndef ASYNC_FUZZ_RECORD_H
#define ASYNC_FUZZ_RECORD_H

#include <cjson/cJSON.h>

#include "async_utf8.h"
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


/* an object in UTF-8, whatever was in the record */

static inline void
fuzz_assert_document(const char *out, size_t len)
{
    bool            valid;
    cJSON          *json;
    const uint8_t  *p, *end;

    p = (const uint8_t *) out;
    end = p + len;

    while (p < end) {
        fuzz_assert(*p >= 0x20 && *p != 0x7f);
        p += async_utf8(p, end, &valid);
        fuzz_assert(valid);
    }

    json = cJSON_ParseWithLengthOpts(out, len + 1, NULL, 1);
    fuzz_assert(cJSON_IsObject(json));
    cJSON_Delete(json);
}


#endif /* ASYNC_FUZZ_RECORD_H */
