/*
 * What belongs to a job besides its record: bodies, files, history.
 */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "async_salvager.h"


static void async_fill_chunks(async_fill_t *f, const async_id_t *id,
    async_payload_kind_t kind);
static void async_fill_file(async_fill_t *f, const async_id_t *id,
    async_payload_kind_t kind, const async_body_t *body);
static async_rc_t async_fill_copy(async_fill_t *f, const async_id_t *id,
    async_payload_kind_t kind, const char *from, const async_body_t *body);
static void async_fill_line(async_trail_t *line, const async_job_t *job,
    bool last);


/* --- payload --- */

void
async_fill_payload(async_fill_t *f, const async_job_t *job, bool request)
{
    uint8_t         buf[ASYNC_RECORD_HEADER];
    async_str_t     head;
    async_writer_t  w;

    if (!async_job_keeps_request(job)) {

        /* nothing of it is there */

    } else if (request) {
        async_fill_chunks(f, &job->id, ASYNC_PAYLOAD_REQUEST);
        async_fill_chunks(f, &job->id, ASYNC_PAYLOAD_CAPTURE);
        async_fill_file(f, &job->id, ASYNC_PAYLOAD_REQUEST_BODY,
                        &job->request);

    } else {

        /* a job that failed has one; this one says nothing */

        async_writer_init(&w, buf, sizeof(buf), ASYNC_RECORD_REQUEST);

        head.len = async_writer_end(&w);
        head.data = (const char *) buf;

        async_work_chunks(&f->work, &job->id, ASYNC_PAYLOAD_REQUEST, head);
    }

    if (job->result_status != 0 && !(job->flags & ASYNC_JOB_SWEPT)) {
        async_fill_chunks(f, &job->id, ASYNC_PAYLOAD_RESPONSE);
        async_fill_file(f, &job->id, ASYNC_PAYLOAD_RESPONSE_BODY,
                        &job->response);
    }
}


static void
async_fill_chunks(async_fill_t *f, const async_id_t *id,
    async_payload_kind_t kind)
{
    bool         more;
    MDB_val      row, value;
    async_key_t  key;

    async_key_payload(&key, id, kind, 0);

    more = async_check_seek(&f->ck, &key, &row, &value);

    while (more && row.mv_size == key.len
           && memcmp(row.mv_data, key.bytes, key.len - 4) == 0)
    {
        memcpy(key.bytes, row.mv_data, key.len);
        async_work_put(&f->work, &key, value.mv_data, value.mv_size);

        f->bytes += value.mv_size;

        more = async_check_next(&f->ck, ASYNC_DB_PAYLOAD, &row, &value);
    }
}


/* a body; the check has read it just now */

static void
async_fill_file(async_fill_t *f, const async_id_t *id,
    async_payload_kind_t kind, const async_body_t *body)
{
    char        from[4096], to[4096];
    async_rc_t  rc;

    if (body->where == ASYNC_BODY_CHUNKS) {
        async_fill_chunks(f, id, kind);
    }

    if (body->where != ASYNC_BODY_SPOOL) {
        return;
    }

    rc = ASYNC_OK;

    if (!async_spool_path(&f->s->scratch, id, kind, from, sizeof(from))
        || !async_spool_path(f->store, id, kind, to, sizeof(to)))
    {
        async_error_set(f->s->err, "the path of the store is too long");
        rc = ASYNC_INVALID;

    /* files are never changed once they have their name */

    } else if (link(from, to) == -1) {
        rc = async_fill_copy(f, id, kind, from, body);
    }

    if (rc != ASYNC_OK) {
        f->s->rc = rc;
        return;
    }

    f->linked = true;
    f->work.spooled += body->len;
    f->work.spooled_changed = true;
}


/* as it is stored: if it is encrypted, it stays so */

static async_rc_t
async_fill_copy(async_fill_t *f, const async_id_t *id,
    async_payload_kind_t kind, const char *from, const async_body_t *body)
{
    int            fd;
    async_rc_t     rc;
    async_body_t   copied;
    async_spool_t  spool;

    fd = open(from, O_RDONLY|O_NOFOLLOW|O_CLOEXEC);

    if (fd == -1) {
        async_error_set(f->s->err, "cannot read \"%s\": %s", from,
                        strerror(errno));
        return ASYNC_UNAVAILABLE;
    }

    memset(&copied, 0, sizeof(async_body_t));

    rc = async_spool_adopt(&spool, f->store, id, kind, NULL, fd, f->s->err);

    close(fd);

    if (rc == ASYNC_OK) {
        rc = async_spool_finish(&spool, &copied, f->s->err);
    }

    if (rc == ASYNC_OK && (copied.len != async_body_stored(body)
                           || copied.crc != body->crc))
    {
        async_error_set(f->s->err, "\"%s\" changes while it is read", from);
        rc = ASYNC_UNAVAILABLE;
    }

    return rc;
}


/* --- history --- */

void
async_fill_history(async_fill_t *f, const async_job_t *job)
{
    size_t         len;
    uint8_t        buf[ASYNC_TRAIL_MAX];
    MDB_val        value;
    uint64_t       n, lost, thinned;
    async_key_t    key;
    async_trail_t  line, before;

    memset(&before, 0, sizeof(before));
    before.event = ASYNC_EVENT_SUBMITTED;
    before.state = ASYNC_STATE_QUEUED;
    before.at = job->created;
    thinned = job->reports.thinned;
    lost = 0;

    for (n = 1; n <= job->seq; n++) {

        async_key_trail(&key, &job->id, n);

        if (async_db_get(&f->s->scratch, f->ck.txn, &key, &value) == ASYNC_OK
            && async_trail_decode(&line, value.mv_data, value.mv_size)
               == ASYNC_OK
            && (n < job->seq || line.state == job->state)
            && (line.event != ASYNC_EVENT_PROGRESSED
                || n == job->reports.row))
        {
            async_work_put(&f->work, &key, value.mv_data, value.mv_size);

        } else if (thinned > 0 && n < job->seq && n != job->reports.row) {

            /* as it should be, or one that is lost besides: who knows */

            thinned--;
            continue;

        } else {
            line = before;
            async_fill_line(&line, job, n == job->seq);

            len = async_trail_encode(&line, buf, sizeof(buf));
            async_work_put(&f->work, &key, buf, len);
            lost++;
        }

        before = line;
    }

    if (lost > 0) {
        async_fill_say(f, "%llu line%s of its history %s lost",
                       (unsigned long long) lost, lost == 1 ? "" : "s",
                       lost == 1 ? "is" : "are");
    }
}


/* line is the one before: what is known of the last is in the record */

static void
async_fill_line(async_trail_t *line, const async_job_t *job, bool last)
{
    static const uint8_t  events[ASYNC_STATE_MAX] = {
        [ASYNC_STATE_QUEUED] = ASYNC_EVENT_SUBMITTED,
        [ASYNC_STATE_SCHEDULED] = ASYNC_EVENT_DELAYED,
        [ASYNC_STATE_PROCESSING] = ASYNC_EVENT_STARTED,
        [ASYNC_STATE_RETRYING] = ASYNC_EVENT_ATTEMPT_FAILED,
        [ASYNC_STATE_COMPLETED] = ASYNC_EVENT_COMPLETED,
        [ASYNC_STATE_FAILED] = ASYNC_EVENT_FAILED,
        [ASYNC_STATE_CANCELED] = ASYNC_EVENT_CANCELED
    };

    line->by.data = "salvage";
    line->by.len = sizeof("salvage") - 1;
    line->duration = 0;

    if (!last) {
        return;
    }

    line->event = events[job->state];
    line->state = job->state;
    line->error = job->error;
    line->status = job->result_status;
    line->attempt = job->attempt;

    if (job->finished != 0) {
        line->at = job->finished;

    } else if (job->state == ASYNC_STATE_PROCESSING) {
        line->at = job->started;
    }
}
