#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "async_easy.h"
#include "async_policy.h"
#include "async_post.h"


#define ASYNC_POST_EVENTS  64
#define ASYNC_POST_AGENT   "nginx-async"


struct async_posts_s {
    CURLM       *multi;             /* NULL: there was no transfer yet */
    int          epoll;
    bool         timed;             /* the timer is set */
    int64_t      delay;             /* of it; -1: at is known */
    int64_t      at;
    const char  *ca;                /* SSL_CERT_FILE, or NULL */
};

struct async_post_s {
    CURL               *easy;
    struct curl_slist  *headers;
    bool              (*allows)(void *data, const async_address_t *peer);
    void               *data;
    size_t              answered;   /* bytes */
    bool                head;       /* all of a final answer's was read */
    bool                refused;    /* an address was */
};


static bool async_posts_begin(async_posts_t *posts);
static int async_posts_on_socket(CURL *easy, curl_socket_t fd, int what,
    void *data, void *known);
static int async_posts_on_timer(CURLM *multi, long ms, void *data);
static void async_posts_tick(async_posts_t *posts, int64_t now);
static bool async_post_headers(async_post_t *post,
    const async_post_request_t *request);
static CURLcode async_post_setup(async_post_t *post,
    const async_post_request_t *request, const char *ca);
static CURLcode async_post_safe(CURL *easy, const char *ca);
static curl_socket_t async_post_on_open(void *data, curlsocktype purpose,
    struct curl_sockaddr *peer);
static size_t async_post_on_line(char *buf, size_t size, size_t n,
    void *data);
static size_t async_post_on_body(char *buf, size_t size, size_t n,
    void *data);
static async_hook_error_t async_post_error(const async_post_t *post,
    CURLcode code);


async_posts_t *
async_posts_create(void)
{
    async_posts_t  *posts;

    posts = calloc(1, sizeof(async_posts_t));

    if (posts == NULL) {
        return NULL;
    }

    posts->epoll = epoll_create1(EPOLL_CLOEXEC);

    if (posts->epoll == -1) {
        free(posts);
        return NULL;
    }

    /* where OpenSSL itself would look, if the environment says so */

    posts->ca = getenv("SSL_CERT_FILE");

    return posts;
}


void
async_posts_destroy(async_posts_t *posts)
{
    if (posts->multi) {
        async_curl.multi_cleanup(posts->multi);
        async_curl.global_cleanup();
    }

    close(posts->epoll);
    free(posts);
}


/* at the first */

static bool
async_posts_begin(async_posts_t *posts)
{
    if (posts->multi) {
        return true;
    }

    if (!async_curl_open()
        || async_curl.global_init(CURL_GLOBAL_NOTHING) != CURLE_OK)
    {
        return false;
    }

    posts->multi = async_curl.multi_init();

    if (posts->multi == NULL) {
        async_curl.global_cleanup();
        return false;
    }

    async_curl.multi_setopt(posts->multi, CURLMOPT_SOCKETFUNCTION,
                            async_posts_on_socket);
    async_curl.multi_setopt(posts->multi, CURLMOPT_SOCKETDATA, posts);
    async_curl.multi_setopt(posts->multi, CURLMOPT_TIMERFUNCTION,
                            async_posts_on_timer);
    async_curl.multi_setopt(posts->multi, CURLMOPT_TIMERDATA, posts);

    return true;
}


int
async_posts_fd(const async_posts_t *posts)
{
    return posts->epoll;
}


int
async_posts_timeout(const async_posts_t *posts, int64_t now)
{
    if (!posts->timed) {
        return -1;
    }

    if (posts->delay >= 0) {
        return 0;
    }

    return posts->at > now ? (int) (posts->at - now) : 0;
}


static int
async_posts_on_socket(CURL *easy, curl_socket_t fd, int what, void *data,
    void *known)
{
    async_posts_t       *posts = data;
    struct epoll_event   event;

    (void) easy;

    memset(&event, 0, sizeof(event));
    event.data.fd = fd;

    if (what == CURL_POLL_REMOVE) {

        /* it may be closed already, and is then out of the set */

        (void) epoll_ctl(posts->epoll, EPOLL_CTL_DEL, fd, &event);
        return 0;
    }

    event.events = (what & CURL_POLL_IN ? EPOLLIN : 0u)
                   | (what & CURL_POLL_OUT ? EPOLLOUT : 0u);

    if (epoll_ctl(posts->epoll, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd,
                  &event) == -1
        && (errno == ENOENT || errno == EEXIST))
    {
        (void) epoll_ctl(posts->epoll,
                         errno == ENOENT ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd,
                         &event);
    }

    async_curl.multi_assign(posts->multi, fd, posts);

    return 0;
}


static int
async_posts_on_timer(CURLM *multi, long ms, void *data)
{
    async_posts_t  *posts = data;

    (void) multi;

    posts->timed = ms >= 0;
    posts->delay = ms;

    return 0;
}


void
async_posts_perform(async_posts_t *posts, int64_t now)
{
    int                  i, n, mask, running;
    struct epoll_event   events[ASYNC_POST_EVENTS];

    n = epoll_wait(posts->epoll, events, ASYNC_POST_EVENTS, 0);

    for (i = 0; i < n; i++) {
        mask = (events[i].events & EPOLLIN ? CURL_CSELECT_IN : 0)
               | (events[i].events & EPOLLOUT ? CURL_CSELECT_OUT : 0)
               | (events[i].events & (EPOLLERR|EPOLLHUP) ? CURL_CSELECT_ERR
                                                         : 0);

        (void) async_curl.multi_socket_action(posts->multi,
                                              events[i].data.fd, mask,
                                              &running);
    }

    async_posts_tick(posts, now);

    if (posts->timed && now >= posts->at) {
        posts->timed = false;
        (void) async_curl.multi_socket_action(posts->multi,
                                              CURL_SOCKET_TIMEOUT, 0,
                                              &running);
        async_posts_tick(posts, now);
    }
}


/* the callback knows no clock: what it was told counts from here */

static void
async_posts_tick(async_posts_t *posts, int64_t now)
{
    if (posts->timed && posts->delay >= 0) {
        posts->at = now + posts->delay;
        posts->delay = -1;
    }
}


async_post_t *
async_posts_start(async_posts_t *posts, const async_post_request_t *request)
{
    async_post_t  *post;

    if (!async_posts_begin(posts)) {
        return NULL;
    }

    post = calloc(1, sizeof(async_post_t));

    if (post == NULL) {
        return NULL;
    }

    post->allows = request->allows;
    post->data = request->data;
    post->easy = async_curl.easy_init();

    if (post->easy == NULL
        || !async_post_headers(post, request)
        || async_post_setup(post, request, posts->ca) != CURLE_OK
        || async_curl.multi_add_handle(posts->multi, post->easy) != CURLM_OK)
    {
        async_posts_stop(posts, post);
        return NULL;
    }

    return post;
}


void
async_posts_stop(async_posts_t *posts, async_post_t *post)
{
    if (post->easy) {
        async_curl.multi_remove_handle(posts->multi, post->easy);
        async_curl.easy_cleanup(post->easy);
    }

    async_curl.slist_free_all(post->headers);
    free(post);
}


static bool
async_post_headers(async_post_t *post, const async_post_request_t *request)
{
    unsigned  i;

    /* a receiver that is asked first would cost a second of each try */

    if (!async_easy_header(&post->headers, "Expect", NULL)) {
        return false;
    }

    for (i = 0; i < request->nheaders; i++) {
        if (!async_easy_header(&post->headers, request->headers[i].name,
                               request->headers[i].value))
        {
            return false;
        }
    }

    return true;
}


static CURLcode
async_post_setup(async_post_t *post, const async_post_request_t *request,
    const char *ca)
{
    CURL      *easy;
    CURLcode   code;

    easy = post->easy;
    code = async_post_safe(easy, ca);

    if (code != CURLE_OK) {
        return code;
    }

    async_easy_set(easy, CURLOPT_PRIVATE, post);
    async_easy_set(easy, CURLOPT_URL, request->url);
    async_easy_set(easy, CURLOPT_POST, 1L);
    async_easy_set(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                   (curl_off_t) request->body.len);
    async_easy_set(easy, CURLOPT_POSTFIELDS, request->body.data);
    async_easy_set(easy, CURLOPT_HTTPHEADER, post->headers);
    async_easy_set(easy, CURLOPT_USERAGENT, ASYNC_POST_AGENT);

    async_easy_set(easy, CURLOPT_OPENSOCKETFUNCTION, async_post_on_open);
    async_easy_set(easy, CURLOPT_OPENSOCKETDATA, post);
    async_easy_set(easy, CURLOPT_HEADERFUNCTION, async_post_on_line);
    async_easy_set(easy, CURLOPT_HEADERDATA, post);
    async_easy_set(easy, CURLOPT_WRITEFUNCTION, async_post_on_body);
    async_easy_set(easy, CURLOPT_WRITEDATA, post);

    return CURLE_OK;
}


/*
 * A connection that another webhook has opened was allowed to that one, by
 * its list: so each has its own.
 */

static CURLcode
async_post_safe(CURL *easy, const char *ca)
{
    CURLcode  code;

    code = async_easy_plain(easy);

    if (code != CURLE_OK) {
        return code;
    }

    async_easy_set(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    async_easy_set(easy, CURLOPT_HTTP_VERSION,
                   (long) CURL_HTTP_VERSION_2TLS);

    /* a name server that hangs must not hold us when the time is over */

    async_easy_set(easy, CURLOPT_QUICK_EXIT, 1L);

    async_easy_set(easy, CURLOPT_TIMEOUT_MS, (long) ASYNC_POST_TIMEOUT);
    async_easy_set(easy, CURLOPT_CONNECTTIMEOUT_MS,
                   (long) ASYNC_POST_TIMEOUT);
    async_easy_set(easy, CURLOPT_SSL_VERIFYPEER, 1L);
    async_easy_set(easy, CURLOPT_SSL_VERIFYHOST, 2L);
    async_easy_set(easy, CURLOPT_SSLVERSION, (long) CURL_SSLVERSION_TLSv1_2);
    async_easy_set(easy, CURLOPT_BUFFERSIZE, (long) ASYNC_POST_ANSWER);

    if (ca != NULL && *ca != '\0') {
        async_easy_set(easy, CURLOPT_CAINFO, ca);
    }

    return CURLE_OK;
}


static curl_socket_t
async_post_on_open(void *data, curlsocktype purpose,
    struct curl_sockaddr *peer)
{
    async_post_t         *post = data;
    async_address_t       address;
    struct sockaddr_in    in;
    struct sockaddr_in6   in6;

    (void) purpose;

    switch (peer->family) {

    case AF_INET:
        memcpy(&in, &peer->addr, sizeof(in));
        async_address_set(&address, &in.sin_addr, ASYNC_ADDRESS_V4);
        break;

    case AF_INET6:
        memcpy(&in6, &peer->addr, sizeof(in6));
        async_address_set(&address, &in6.sin6_addr, ASYNC_ADDRESS_V6);
        break;

    default:
        post->refused = true;
        return CURL_SOCKET_BAD;
    }

    if (!post->allows(post->data, &address)) {
        post->refused = true;
        return CURL_SOCKET_BAD;
    }

    return socket(peer->family, peer->socktype | SOCK_CLOEXEC,
                  peer->protocol);
}


static size_t
async_post_on_line(char *buf, size_t size, size_t n, void *data)
{
    long           status;
    size_t         len;
    async_post_t  *post = data;

    len = size * n;
    post->answered += len;

    if (len <= 2 && buf[0] != ' ') {
        status = 0;
        async_curl.easy_getinfo(post->easy, CURLINFO_RESPONSE_CODE, &status);

        post->head = post->head || status >= 200;
    }

    return post->answered <= ASYNC_POST_ANSWER ? len : 0;
}


/* read so that the other side can finish, as far as that is decent */

static size_t
async_post_on_body(char *buf, size_t size, size_t n, void *data)
{
    async_post_t  *post = data;

    (void) buf;

    post->answered += size * n;

    return post->answered <= ASYNC_POST_ANSWER ? size * n : 0;
}


async_post_t *
async_posts_ended(async_posts_t *posts, void **data, async_post_end_t *end)
{
    long           status;
    CURLMsg       *msg;
    CURLcode       code;
    curl_off_t     seconds;
    async_post_t  *post;

    msg = posts->multi ? async_easy_ended(posts->multi) : NULL;

    if (msg == NULL) {
        return NULL;
    }

    code = msg->data.result;
    async_curl.easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE,
                            (char **) &post);

    memset(end, 0, sizeof(async_post_end_t));
    end->retry_after = -1;
    *data = post->data;

    if (!post->head) {
        end->error = async_post_error(post, code);
        end->why = async_curl.easy_strerror(code);
        return post;
    }

    /* the answer is its status, whatever becomes of what follows */

    status = 0;
    seconds = 0;
    async_curl.easy_getinfo(post->easy, CURLINFO_RESPONSE_CODE, &status);
    async_curl.easy_getinfo(post->easy, CURLINFO_RETRY_AFTER, &seconds);

    end->status = (uint16_t) status;
    end->error = status < 300 ? ASYNC_HOOK_ERROR_NONE
                              : ASYNC_HOOK_ERROR_STATUS;
    end->why = "";

    if (seconds > 0) {
        end->retry_after = seconds < ASYNC_RETRY_AFTER_MAX / 1000
                           ? seconds * 1000 : ASYNC_RETRY_AFTER_MAX;
    }

    return post;
}


static async_hook_error_t
async_post_error(const async_post_t *post, CURLcode code)
{
    switch (code) {

    case CURLE_OPERATION_TIMEDOUT:
        return ASYNC_HOOK_ERROR_TIMEOUT;

    case CURLE_COULDNT_RESOLVE_HOST:
        return ASYNC_HOOK_ERROR_UNRESOLVED;

    case CURLE_COULDNT_CONNECT:
        return post->refused ? ASYNC_HOOK_ERROR_REFUSED
                             : ASYNC_HOOK_ERROR_UNREACHABLE;

    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_INVALIDCERTSTATUS:
        return ASYNC_HOOK_ERROR_TLS;

    case CURLE_OUT_OF_MEMORY:
    case CURLE_FAILED_INIT:
        return ASYNC_HOOK_ERROR_LOST;

    default:
        return ASYNC_HOOK_ERROR_BROKEN;
    }
}
