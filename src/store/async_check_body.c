/*
 * The check, of what belongs to a job besides its record: heads, bodies,
 * spool files.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "async_checker.h"
#include "async_message.h"


#define ASYNC_CHECK_BUFFER  (64 * 1024)


/* what the chunks of one kind add up to */
typedef struct {
    uint32_t  n;
    uint64_t  len;
    uint32_t  crc;
    bool      sound;                 /* none missing, none of a wrong size */
} async_check_chunks_t;


static void async_check_head(async_checker_t *ck, const async_job_t *job,
    async_payload_kind_t kind, bool wanted);
static uint32_t async_check_sealed(const async_seal_t *seal,
    async_payload_kind_t kind);
static bool async_check_head_record(const uint8_t *data, size_t len,
    async_payload_kind_t kind);
static bool async_check_tag(async_payload_kind_t kind, uint16_t tag,
    async_str_t value);
static void async_check_body(async_checker_t *ck, const async_job_t *job,
    async_payload_kind_t kind, const async_body_t *body);
static void async_check_chunked(async_checker_t *ck, const async_job_t *job,
    async_payload_kind_t kind, bool keep, async_check_chunks_t *found);
static bool async_check_keep(async_checker_t *ck, size_t offset,
    const MDB_val *value);
static void async_check_file(async_checker_t *ck, const async_job_t *job,
    async_payload_kind_t kind, const async_body_t *body);
static const char *async_check_read(int fd, uint64_t most,
    const async_body_t *body);
static bool async_check_still(async_checker_t *ck, const async_job_t *job,
    async_payload_kind_t kind, const async_body_t *body);
static bool async_check_named(async_checker_t *ck, const char *name);


static const char *const  async_check_kinds[] = {
    [ASYNC_PAYLOAD_REQUEST]       = "request",
    [ASYNC_PAYLOAD_CAPTURE]       = "capture",
    [ASYNC_PAYLOAD_REQUEST_BODY]  = "request body",
    [ASYNC_PAYLOAD_RESPONSE]      = "response",
    [ASYNC_PAYLOAD_RESPONSE_BODY] = "response body"
};


bool
async_check_request(async_checker_t *ck, const async_job_t *job)
{
    uint64_t  faults;

    faults = ck->figures->faults;

    async_check_head(ck, job, ASYNC_PAYLOAD_REQUEST,
                     async_job_keeps_request(job));
    async_check_head(ck, job, ASYNC_PAYLOAD_CAPTURE,
                     async_job_keeps_request(job)
                     && job->request.seal.capture_crc != 0);
    async_check_body(ck, job, ASYNC_PAYLOAD_REQUEST_BODY, &job->request);

    return ck->figures->faults == faults;
}


bool
async_check_response(async_checker_t *ck, const async_job_t *job)
{
    uint64_t  faults;

    faults = ck->figures->faults;

    async_check_head(ck, job, ASYNC_PAYLOAD_RESPONSE,
                     job->result_status != 0
                     && !(job->flags & ASYNC_JOB_SWEPT));
    async_check_body(ck, job, ASYNC_PAYLOAD_RESPONSE_BODY, &job->response);

    return ck->figures->faults == faults;
}


/* --- heads --- */

static void
async_check_head(async_checker_t *ck, const async_job_t *job,
    async_payload_kind_t kind, bool wanted)
{
    const async_seal_t    *seal;
    async_check_chunks_t   found;

    seal = kind == ASYNC_PAYLOAD_RESPONSE ? &job->response.seal
                                          : &job->request.seal;

    async_check_chunked(ck, job, kind, !seal->used, &found);

    if (!found.sound || ck->rc != ASYNC_OK) {
        return;
    }

    if (found.n == 0) {

        if (wanted) {
            async_check_fault_of(ck, &job->id, "its %s is missing",
                                 async_check_kinds[kind]);
        }

        return;
    }

    if (seal->used ? found.crc != async_check_sealed(seal, kind)
                   : !async_check_head_record(ck->head, (size_t) found.len,
                                              kind))
    {
        async_check_fault_of(ck, &job->id, "its %s is damaged",
                             async_check_kinds[kind]);
    }
}


/* without a key, what is encrypted can be compared with its checksum alone */

static uint32_t
async_check_sealed(const async_seal_t *seal, async_payload_kind_t kind)
{
    return kind == ASYNC_PAYLOAD_CAPTURE ? seal->capture_crc
                                         : seal->head_crc;
}


static bool
async_check_head_record(const uint8_t *data, size_t len,
    async_payload_kind_t kind)
{
    uint16_t        tag;
    async_str_t     value;
    async_reader_t  rd;

    static const async_record_kind_t  records[] = {
        [ASYNC_PAYLOAD_REQUEST]  = ASYNC_RECORD_REQUEST,
        [ASYNC_PAYLOAD_CAPTURE]  = ASYNC_RECORD_CAPTURE,
        [ASYNC_PAYLOAD_RESPONSE] = ASYNC_RECORD_RESPONSE
    };

    if (async_reader_init(&rd, data, len, records[kind]) != ASYNC_OK) {
        return false;
    }

    while (async_read_tag(&rd, &tag, &value)) {
        if (!async_check_tag(kind, tag, value)) {
            return false;
        }
    }

    return !rd.broken;
}


/* the tags that a program takes apart on trust in the checksum */

static bool
async_check_tag(async_payload_kind_t kind, uint16_t tag, async_str_t value)
{
    uint64_t     n;
    async_str_t  name, rest;

    if ((kind == ASYNC_PAYLOAD_REQUEST && tag == ASYNC_REQUEST_HEADER)
        || (kind == ASYNC_PAYLOAD_RESPONSE && tag == ASYNC_RESPONSE_HEADER)
        || (kind == ASYNC_PAYLOAD_CAPTURE
            && (tag == ASYNC_CAPTURE_CONN_VAR || tag == ASYNC_CAPTURE_VAR)))
    {
        return async_tag_pair(value, &name, &rest);
    }

    if (kind == ASYNC_PAYLOAD_RESPONSE && tag == ASYNC_RESPONSE_STATUS) {
        return async_tag_u64(value, &n);
    }

    return true;
}


/* --- bodies --- */

static void
async_check_body(async_checker_t *ck, const async_job_t *job,
    async_payload_kind_t kind, const async_body_t *body)
{
    const char            *name;
    async_check_chunks_t   found;

    name = async_check_kinds[kind];

    async_check_chunked(ck, job, kind, false, &found);

    if (body->where == ASYNC_BODY_SPOOL) {
        ck->spooled += body->len;
        async_check_file(ck, job, kind, body);
    }

    if (body->where != ASYNC_BODY_CHUNKS) {

        if (found.n != 0) {
            async_check_fault_of(ck, &job->id, "has %u chunks of a %s that "
                                 "it does not name", (unsigned) found.n,
                                 name);
        }

        return;
    }

    if (!found.sound) {
        return;
    }

    if (found.len != async_body_stored(body)) {
        async_check_fault_of(ck, &job->id, "its %s has %llu bytes instead of "
                             "%llu", name, (unsigned long long) found.len,
                             (unsigned long long) async_body_stored(body));

    } else if (found.crc != body->crc) {
        async_check_fault_of(ck, &job->id, "its %s has another checksum",
                             name);
    }
}


/*
 * Goes over the chunks of a kind, and puts them together in ck->head if they
 * are kept.  A hole is told once; what follows it is not read.
 */

static void
async_check_chunked(async_checker_t *ck, const async_job_t *job,
    async_payload_kind_t kind, bool keep, async_check_chunks_t *found)
{
    bool         more;
    size_t       last;
    MDB_val      row, value;
    async_key_t  key, next;

    memset(found, 0, sizeof(async_check_chunks_t));
    found->sound = true;
    last = ASYNC_CHUNK;

    async_key_payload(&key, &job->id, kind, 0);
    more = async_check_seek(ck, &key, &row, &value);

    while (more && row.mv_size == key.len
           && memcmp(row.mv_data, key.bytes, key.len - 4) == 0)
    {
        async_key_payload(&next, &job->id, kind, found->n);

        if (memcmp(row.mv_data, next.bytes, next.len) != 0) {
            async_check_fault_of(ck, &job->id, "chunk %u of its %s is "
                                 "missing", (unsigned) found->n,
                                 async_check_kinds[kind]);
            found->sound = false;
            found->n++;
            return;
        }

        /* only the last one may be short, and none empty */

        if (last != ASYNC_CHUNK || value.mv_size > ASYNC_CHUNK
            || value.mv_size == 0)
        {
            async_check_fault_of(ck, &job->id, "chunk %u of its %s has a "
                                 "wrong size", (unsigned) found->n,
                                 async_check_kinds[kind]);
            found->sound = false;
            found->n++;
            return;
        }

        if (keep && !async_check_keep(ck, (size_t) found->len, &value)) {
            return;
        }

        last = value.mv_size;
        found->crc = async_crc32c(found->crc, value.mv_data, value.mv_size);
        found->len += value.mv_size;
        found->n++;

        more = async_check_next(ck, ASYNC_DB_PAYLOAD, &row, &value);
    }
}


static bool
async_check_keep(async_checker_t *ck, size_t offset, const MDB_val *value)
{
    uint8_t  *head;

    if (ck->head_cap - offset < value->mv_size) {
        head = realloc(ck->head, 2 * (offset + ASYNC_CHUNK));

        if (head == NULL) {
            ck->rc = ASYNC_NO_SPACE;
            return false;
        }

        ck->head = head;
        ck->head_cap = 2 * (offset + ASYNC_CHUNK);
    }

    memcpy(ck->head + offset, value->mv_data, value->mv_size);

    return true;
}


/* --- spool files --- */

static void
async_check_file(async_checker_t *ck, const async_job_t *job,
    async_payload_kind_t kind, const async_body_t *body)
{
    int          fd;
    char         path[4096];
    uint64_t     len;
    const char  *fault;

    fd = -1;
    len = UINT64_MAX;
    fault = NULL;

    if (ck->file != NULL) {
        fault = ck->file(ck->file_data, &job->id, kind, &fd, &len);
        ck->figures->spool_files++;

    } else if (!async_spool_path(ck->store, &job->id, kind, path,
                                 sizeof(path)))
    {
        fault = "cannot be named, the path is too long";

    } else {
        fd = open(path, O_RDONLY|O_NOFOLLOW|O_CLOEXEC);

        if (fd == -1) {
            fault = errno == ENOENT ? "is missing" : strerror(errno);
        }
    }

    if (fault == NULL) {
        fault = async_check_read(fd, len, body);
    }

    if (ck->file == NULL && fd != -1) {
        close(fd);
    }

    if (fault != NULL
        && (ck->file != NULL || async_check_still(ck, job, kind, body)))
    {
        async_check_fault_of(ck, &job->id, "its spooled %s: %s",
                             async_check_kinds[kind], fault);
    }
}


/* at most the given bytes of the file: it may hold more than the body */

static const char *
async_check_read(int fd, uint64_t most, const async_body_t *body)
{
    size_t          part;
    ssize_t         n;
    uint32_t        crc;
    uint64_t        len;
    static uint8_t  buf[ASYNC_CHECK_BUFFER];

    crc = 0;
    len = 0;

    while (len < most) {

        part = most - len < sizeof(buf) ? (size_t) (most - len) : sizeof(buf);
        n = read(fd, buf, part);

        if (n == -1 && errno == EINTR) {
            continue;
        }

        if (n == -1) {
            return strerror(errno);
        }

        if (n == 0) {
            break;
        }

        crc = async_crc32c(crc, buf, (size_t) n);
        len += (uint64_t) n;
    }

    if (len != async_body_stored(body)) {
        return len < async_body_stored(body) ? "is too short"
                                             : "is too long";
    }

    return crc == body->crc ? NULL : "has another checksum";
}


/*
 * Files are not part of the snapshot: one that is gone may have been swept
 * since, with its job or because the job moved on.
 */

static bool
async_check_still(async_checker_t *ck, const async_job_t *job,
    async_payload_kind_t kind, const async_body_t *body)
{
    bool                 still;
    MDB_txn             *txn;
    async_rc_t           rc;
    async_job_t          now;
    const async_body_t  *there;

    if (mdb_txn_begin(ck->store->env, NULL, MDB_RDONLY, &txn)
        != MDB_SUCCESS)
    {
        return true;
    }

    rc = async_check_job(ck, txn, &job->id, &now);
    there = kind == ASYNC_PAYLOAD_REQUEST_BODY ? &now.request
                                               : &now.response;

    still = rc == ASYNC_CORRUPT
            || (rc == ASYNC_OK && there->where == ASYNC_BODY_SPOOL
                && there->len == body->len && there->crc == body->crc);

    mdb_txn_abort(txn);

    return still;
}


void
async_check_spool(async_checker_t *ck)
{
    char            path[4096];
    DIR            *dir;
    struct dirent  *entry;

    if (ck->file != NULL) {
        return;
    }

    (void) snprintf(path, sizeof(path), "%s/spool",
                    async_store_path(ck->store));

    dir = opendir(path);

    if (dir == NULL && errno == ENOMEM) {
        ck->rc = ASYNC_NO_SPACE;
        return;
    }

    if (dir == NULL) {
        async_check_fault(ck, "cannot open \"%s\": %s", path,
                          strerror(errno));
        return;
    }

    while ((entry = readdir(dir)) != NULL) {

        if (strcmp(entry->d_name, ".") == 0
            || strcmp(entry->d_name, "..") == 0)
        {
            continue;
        }

        ck->figures->spool_files++;

        if (!async_check_named(ck, entry->d_name)) {
            ck->figures->orphans++;
        }
    }

    closedir(dir);
}


/* "<id>.req" or "<id>.res", of a job that has its body there */

static bool
async_check_named(async_checker_t *ck, const char *name)
{
    async_rc_t           rc;
    async_job_t          job;
    async_spool_name_t   file;
    const async_body_t  *body;

    if (!async_spool_name(name, &file) || file.tmp) {
        return false;
    }

    rc = async_check_job(ck, ck->txn, &file.id, &job);

    /* what a damaged record named, nobody may take for left over */

    if (rc == ASYNC_CORRUPT) {
        return true;
    }

    body = file.kind == ASYNC_PAYLOAD_REQUEST_BODY ? &job.request
                                                   : &job.response;

    return rc == ASYNC_OK && body->where == ASYNC_BODY_SPOOL;
}
